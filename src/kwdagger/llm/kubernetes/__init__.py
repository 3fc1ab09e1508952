"""Ollama on Kubernetes: what is wanted, as manifests or Helm values, and the calls that apply it.

::

    want       server_spec     options -> `ServerSpec`, checked
    say how    pull_scripts    what runs inside the containers, as shell text
    describe   pods, documents, load_job, helm_values      spec -> documents (pure)
    write      yaml_documents  documents -> YAML text and files
    apply      calls, running  spec -> calls of kubectl or helm (pure); running them

Nothing here talks to a cluster: kubectl and helm do.
"""
