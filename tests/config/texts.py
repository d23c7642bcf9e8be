"""The files of the two old orchestrators, put together from the blocks of their manuals, to the letter."""

from __future__ import annotations

LOGIN = {"DH_USERNAME": "somebody", "DH_PASSWORD": "correct horse battery staple"}

PQ = """\
name: "my_simulation"
deephaven:
  connection_url: "https://your-server:8000/iris/connection.json"
  auth_method: "password"
  username: "${DH_USERNAME}"
  password: "${DH_PASSWORD}"
  private_key_path: ""
execution:
  worker_script: "worker.py"
  num_partitions: 10
  max_concurrent_sessions: 50
  heap_size_gb: 4.0
  script_language: "Python"
  jvm_profile: "Default"          # Optional
  server_name: "AutoQuery"        # Optional
  max_retries: 3                  # Optional
  max_failures: 10                # Optional
  delete_successful_queries: true # Optional
  delete_failed_queries: false    # Optional
replay:
  init_timeout_minutes: 10
  replay_start: "09:30:00"
  replay_speed: 100.0
  sorted_replay: true          # Optional
  buffer_rows: 10000           # Optional
  replay_timestamp_columns:    # Optional
    - namespace: "Market"
      table: "Trade"
      column: "EventTime"
dates:
  start: "2024-01-01"
  end: "2024-12-31"
  weekdays_only: true
env:
  OUTPUT_TABLE: "results"
  CUSTOM_PARAM: "value"
"""

PQ_BATCH = (
    PQ[: PQ.index("replay:\n")]
    + """\
batch:
  timeout_minutes: 60
"""
    + PQ[PQ.index("dates:\n") :]
)

PQ_LEAST = """\
name: least
execution:
  worker_script: worker.py
  num_partitions: 2
  heap_size_gb: 4
  script_language: Python
replay:
  replay_start: 09:30:00
  replay_speed: 1
dates:
  start: 2024-01-02
  end: 2024-01-03
env: {}
"""
"""Only what is required, without a connection: complete with `--on process`."""

REPLAY = """\
name: "my_simulation"
deephaven:
  connection_url: "https://your-server:8000/iris/connection.json"
  auth_method: "password"
  username: "${DH_USERNAME}"
  password: "${DH_PASSWORD}"
  private_key_path: ""
execution:
  worker_script: "simple_worker.py"
  num_workers: 10
  max_concurrent_sessions: 50
  max_retries: 3
replay:
  heap_size_gb: 4.0
  init_timeout_minutes: 10
  script_language: "Python"
  jvm_profile: "Default"
  replay_start: "09:30:00"
  replay_speed: 1.0
  sorted_replay: true
  buffer_rows: 10000
  replay_timestamp_columns:
    - namespace: "Market"
      table: "Trade"
      column: "EventTime"
    - namespace: "Market"
      table: "Quote"
      column: "QuoteTimestamp"
scheduler:
  calendar: "USNYSE"
  start_time: "09:30:00"
  stop_time: "16:00:00"
  timezone: "America/New_York"
  business_days: true
dates:
  start: "2024-01-01"
  end: "2024-12-31"
  weekdays_only: true
env:
  OUTPUT_TABLE: "results"
  CUSTOM_PARAM: "value"
"""

REPLAY_LEAST = """\
name: least
execution:
  worker_script: worker.py
  num_workers: 2
replay:
  heap_size_gb: 4
  script_language: Python
dates:
  start: 2024-01-03
  end: 2024-01-05
env: {}
"""

NATIVE = """\
name: desk
market: XNYS
steps:
  ingest:
    run: python ingest.py --date {date}
    matrix:
      date: {from: 2024-01-01, to: 2024-01-05}
  book:
    script: worker.py
    needs: [ingest]
"""


def edited(text: str, *changes: tuple[str, str]) -> str:
    """The text with each of these parts, which has to be there once, replaced."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text
