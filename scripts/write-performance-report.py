#!/usr/bin/env python3
"""Writes the report on performance, in Markdown, from the results of scripts/run-benchmarks.sh.

    scripts/write-performance-report.py RESULTS.json "full run, release build of COMMIT" >docs/reports/performance.md

Every figure is one of that run; the sentences here say what it is compared with and what the ratio depends on.
"""
import json
import re
import sys

# Title, what its figures begin with, and what their ratios mean.
SECTIONS = [
    ("Submits and reads on the socket",
     r"bare: SQLite|bare: echo|durable submits|bulk submit|task by id, |list, |long-poll|resident memory after",
     ["A durable submit is one HTTP request and one row in four tables with eight indexes, on disk before the answer. The "
      "echo route is one HTTP request. Commits are shared by clients that meet, so the ratio grows with their number.",
      "A bulk submit has one HTTP request for all lines. It is compared with bare inserts of the same rows into the same "
      "tables, and with inserts of one plain row.",
      "A task by id is one HTTP request and one read by primary key. With 64 clients the code of the bare route stays in "
      "the processor's cache and that of a task does not, so the ratio falls."]),
    ("Streams of events",
     r"streams: ",
     ["Each client follows the tasks of its own label. The daemon commits 5,000 tasks a second, each with an event, in requests "
      "of 250, and each event goes to one client.",
      "The processors without clients are what the same submits take. Stored events are read over one stream; with a label "
      "the figure is events looked at."]),
    ("Notifications",
     r"notifications: ",
     ["The events are in the log before the destination is. The bare loop posts as many bytes to the same receiver with the same "
      "HTTP client, sixteen at a time. The daemon reads each event and its task, signs the body, and stores its place in the log "
      "after each delivery, together with those of others that have ended meanwhile."]),
    ("The gateway",
     r"gateway: |bare: the provider itself|bare: a proxy that only|bare: latency that the proxy",
     ["A program polls through the gateway, which answers from its database and asks the provider nothing. The bare proxy passes "
      "the same requests on to a provider without delay, with the same HTTP server and client.",
      "Whether a request is a retry is decided in the commit of its task, by the exchanges with the same content."]),
    ("Downloads of results",
     r"downloads: ",
     ["The daemon fetches two files of one host at once; the bare loop reads the same bytes over two connections. Both write them to "
      "files and sync these. The daemon also hashes each file, and notes it as saved."]),
    ("Polls with every result committed",
     r"bare: client loop|polls with every result",
     ["The bare loop asks the same sandbox the same with the same HTTP client and drops the answers. Pollux parses each "
      "answer, compares it with the row, decides when to ask again and commits.",
      "A query of 50 tasks has the HTTP client's work once and the rest 50 times, so its ratio is lower."]),
    ("By number of running tasks",
     r"scheduler: |store: one submit",
     ["The provider answers at once and from memory, so what is measured is the daemon's part. A ratio of 1 means that the "
      "number of tasks does not matter.",
      "The tasks are scattered over the database on purpose, so each of the 50 of a query stands on a page of its own. For "
      "tasks that were submitted together the ratio is lower."]),
    ("Start",
     r"start with [\d,]+ running|start with no task|database of|idle: resident|idle: processor",
     ["A start reads the schema, the statistics and the next due times, not the tasks, so it hardly grows with their "
      "number."]),
    ("Idle",
     r"idle: wake-ups",
     ["A wake-up is a voluntary context switch of one of the daemon's threads, as the kernel counts them in "
      "`/proc/PID/task/*/status`. One tick of a timer costs four or five of them. Waiting tasks need none."]),
    ("By number of ended tasks",
     r".* with [\d,]+ ended tasks$",
     ["Ended tasks are kept for their readers and stand in no index that a loop reads. A ratio of 1 means that keeping "
      "them costs nothing but disk space. Both daemons run at once and are asked in turn, so that the noise of the disk "
      "meets both."]),
    ("Two years under a retention of 90 days",
     r"retention: ",
     ["The tasks of each day are played on the store, and a sweep follows. A task without details keeps its row, its place in "
      "the indexes and its idempotency key for a year. After that year the oldest tasks make room for new ones: each quarter "
      "is compared with the one before, and a ratio of 1 means that the database does not grow. The second run keeps keys and "
      "stubs for 91 days. Sizes are pages in use divided by tasks. The daemons of both databases are measured in turn."]),
    ("On PostgreSQL",
     r"postgres: ",
     ["The server is of Debian's packages, on this machine, with its own settings (`fsync` on). pgbench sends the statements of one "
      "submission, as the server has logged them, in one pipeline; the store needs two round trips, because it reads before it "
      "writes. Submissions that meet share a commit of the store. Each of pgbench has its own, and its 64 clients wait for the same "
      "row, so together they make fewer than one client.",
      "The daemons share the machine's processors with the server and the clients, so more of them are not faster here."]),
    ("At the provider's documented limit",
     r"limit: ",
     ["The processor time of a task from its submission to its end, polls included, with the daemon's timers. The sandbox "
      "is a process of its own and not counted."]),
    ("Instructions",
     r"instructions",
     ["Instructions of the program, without the kernel's, as valgrind's callgrind counts them. They do not depend on what "
      "else the machine does, so they can be compared between runs and between machines of the same kind."]),
    ("Beside others",
     r"beside us: ",
     ["Other durable queues, with the guarantee that the note names. None of them talks to a provider; the provider's own "
      "client does and forgets its tasks in a crash."]),
]


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def promise(figure):
    bar = figure.get("bar")
    if bar is None:
        return "–"
    measured = figure.get("ratio", figure.get("value"))
    is_met = figure.get("isMet", False)
    at_least = (measured >= bar) == is_met
    return f"{'at least' if at_least else 'at most'} {bar:g}" + ("" if is_met else ": **missed**")


def row(figure):
    value = figure.get("value")
    if value is None:
        return f"| {figure['name']} | {figure.get('note', 'not measured')} | | | |"
    compared, ratio = "", ""
    if figure.get("ratio") is not None and figure.get("limit") != value:
        compared = f"{number(figure['limit'])}{figure.get('unit', '')}, {figure.get('limitName', '')}"
        ratio = f"{figure['ratio']:.2f}"
    note = f" ({figure['note']})" if figure.get("note") else ""
    return f"| {figure['name']} | {number(value)}{figure.get('unit', '')}{note} | {compared} | {ratio} | {promise(figure)} |"


def report(results, run):
    figures = results["figures"]
    missed = [f["name"] for f in figures if f.get("bar") is not None and not f.get("isMet")]
    lines = [
        "# Performance", "",
        "<!-- Written by scripts/run-benchmarks.sh. Run it again instead of editing this page. -->", "",
        f"Measured on {results['date'][:10]}: {run}, on {results['machine']}.", "",
        "```sh",
        "scripts/run-benchmarks.sh            # everything, and this page anew",
        "scripts/run-benchmarks.sh --quick    # a smoke run that writes no page here",
        "```", "",
        "Absolute figures differ between machines and between runs. Compare the ratios: both figures of a ratio come from "
        "the same run. The load generator is one thread with raw sockets that parses only where an answer ends.", "",
        f"Missed promises: {', '.join(missed)}." if missed else "All promises are kept.", "",
    ]
    rest = list(figures)
    for title, pattern, sentences in SECTIONS:
        mine = [f for f in rest if re.match(pattern, f["name"])]
        if not mine:
            continue
        rest = [f for f in rest if f not in mine]
        lines += section(title, mine) + [""] + [sentence for s in sentences for sentence in (s, "")]
    if rest:
        lines += section("Other figures", rest) + [""]
    return "\n".join(lines).rstrip() + "\n"


def section(title, figures):
    return [f"## {title}", "", "| | measured | compared with | ratio | promised |", "|---|---|---|---|---|"] + [
        row(f) for f in figures]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(report(json.load(file), sys.argv[2]))
