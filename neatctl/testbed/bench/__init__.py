"""`neatctl bench`: load a testbed from its clients' side, several times, and report what it did and what it cost.

`results` is what a report holds, and its schema; `workload` the presets; `clients`, `wrk` and `httperf` start load
clients and read what they print; `cpu` and `losses` look at the server while it is loaded; `runner` makes one run and
alternates repetitions over targets; `ratio` and `compare` judge two reports; `own` brings up testbeds; `keep` writes
reports to disk, `tables` shows them, `session` is the verb.
"""
