"""Ollama servers of this host that `kwdagger llm serve` started: one a GPU.

::

    plan       server_plan     options -> one `ServerPlan` a server, checked (pure)
    remember   server_folder   a record and a log a port, below the user's state folder
    start      starting        processes that outlive their terminal; all of them or none
    look       health          which of ours live, answer, hold models
    stop       process_group   exactly ours: TERM, then KILL, the whole process group
    hand on    batch_config    the configuration of `kwdagger llm batch` for them
"""
