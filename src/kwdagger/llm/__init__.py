"""Language-model servers: benchmarks, load tests, batches, and what is needed around them.

One request engine serves all of it::

    requests     prompts/    what is asked, read from YAML, JSONL or the command line
    address      targets/    a server's wire protocol: request -> bytes, bytes -> events (pure)
    time         arrivals    when each request is sent (pure, seeded)
    send         engine/     asyncio: one connection a request in flight, every chunk timed
    record       records     one row a request, all offsets kept
    measure      metrics/    rows -> figures (pure; old rows can be measured again)
    tell         reporting/  result files, tables, text

Nothing outside this package knows of it.
"""
