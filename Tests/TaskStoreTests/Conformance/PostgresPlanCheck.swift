import Foundation
import PostgresTesting
import Testing

/// Checks the plans that PostgreSQL makes of a test's statements: none may read a whole table or a whole index.
///
/// Plans are made as if tables were too large to be read, because the tables of a test are small. What remains is what no
/// index helps.
struct PostgresPlanCheck {
    /// The allowed exceptions: a part of the statement, the table or index that is read, and the reason.
    private static let allowed: [(part: String, read: String, why: String)] = [
        ("log_counter", "log_counter", "one row"),
        ("schema_migration", "schema_migration_pkey", "a row per migration, read once per start"),
        ("EXCEPT SELECT", "task", "the counts are compared once per start"),
        ("EXCEPT SELECT", "task_count", "the same"),
        ("FROM task_count WHERE count > 0", "task_count", "the result is the table: a row per endpoint and state"),
        ("FROM gate", "gate", "read once per start; a row per endpoint, service or provider in trouble"),
        ("FROM lease", "lease", "a row per account"),
        ("FROM budget ORDER BY name", "budget", "a row per budget of the settings"),
        ("FROM destination", "destination", "a row per destination of the settings"),
        ("FROM gateway_token", "gateway_token", "a row per token"),
        ("FROM meta", "meta", "a few facts about the database"),
        ("COUNT(*) FROM delivery", "delivery", "counts all failures, for the status"),
        ("FROM part_removal", "part_removal", "files to be removed, which are few and leave the table with that"),
        ("FROM part_content", "part_content", "the files in a restored backup, one at a time until none is left"),
        ("FROM budget_hold", "budget_hold", "the tasks that budgets hold, by the index alone"),
        ("ORDER BY sequence DESC LIMIT 1", "event", "the last line of the log"),
        (
            "ORDER BY task_key DESC LIMIT", "task",
            "a page of an unfiltered list reads the newest rows until it is full"
        ),
        (
            "count(*) FROM (SELECT 1 FROM task", "task",
            "a count reads tasks until it has enough; that of a state or an endpoint comes from task_count"
        ),
        ("WHERE state = 'waiting'", "artefact", "the files that wait, by a partial index"),
        ("WHERE lacks_room = 1", "artefact", "the same"),
        ("artefact.state = 'waiting'", "artefact", "the same, in the order of their expiry"),
        ("artefact.state = 'removing'", "artefact", "files to be removed, which are few and leave the index with that"),
        ("delivered_at_ms IS NOT NULL", "artefact", "files that clients have had, read until there are enough"),
        ("UPDATE given_up_attempt SET", "given_up_attempt_lost", "once per jump of the clock"),
        (
            "FROM task WHERE state = 'queued' AND next_due_at_ms IS NOT NULL", "task",
            "once per copy that a start detects: all queued tasks, by a partial index"
        ),
        ("SET next_due_at_ms = GREATEST(next_due_at_ms + ", "task", "once per jump of the clock: the same"),
    ]

    private let log: URL
    private let start: UInt64

    /// Has the server log the plans of a database from now on.
    init(of address: String, on server: PostgresServer) throws {
        let settings = [
            "session_preload_libraries = auto_explain", "auto_explain.log_min_duration = 0",
            // The statements of triggers and foreign keys too.
            "auto_explain.log_nested_statements = on", "enable_seqscan = off", "plan_cache_mode = force_generic_plan",
        ]
        for setting in settings {
            try server.run(
                "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET \(setting)'; END $$", in: address)
        }
        log = URL(filePath: server.directory).appending(path: "server.log")
        start = try FileHandle(forReadingFrom: log).seekToEnd()
    }

    /// Records an issue for each plan since the beginning that reads too much.
    func finish() throws {
        let file = try FileHandle(forReadingFrom: log)
        try file.seek(toOffset: start)
        let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        var known: Set<String> = []
        for entry in Self.entries(of: text) {
            for step in entry.wholeReads where known.insert(step + entry.statement).inserted {
                guard !Self.isAllowed(step, of: entry.statement) else { continue }
                Issue.record("\(step)\n\(entry.statement)")
            }
        }
    }

    private static func isAllowed(_ step: String, of statement: String) -> Bool {
        allowed.contains { statement.contains($0.part) && step.contains(" on \($0.read) ") }
    }

    /// A statement with its plan.
    private struct Entry {
        var statement = ""
        var plan: [Substring] = []

        /// The steps that read a whole table, or an index without a condition.
        var wholeReads: [String] {
            plan.indices.filter { plan[$0].contains("(cost=") }.compactMap { index in
                let step = plan[index]
                let details = plan[(index + 1)...].prefix { !$0.contains("(cost=") }
                // The smallest and the greatest value are at an end of the index.
                let isEnd = statement.contains("SELECT MIN(") || statement.contains("SELECT MAX(")
                let hasCondition = details.contains { detail in
                    detail.contains("Index Cond:")
                        && (isEnd || detail.firstMatch(of: /Cond: \(\w+ IS NOT NULL\)$/) == nil)
                }
                let isWhole =
                    step.contains("Seq Scan on ")
                    || step.contains("Index ") && step.contains("Scan ") && !hasCondition
                return isWhole ? step.trimmingCharacters(in: .whitespaces) : nil
            }
        }
    }

    /// The entries of auto_explain (https://www.postgresql.org/docs/15/auto-explain.html). Their lines begin with a tab.
    private static func entries(of log: String) -> [Entry] {
        var entries: [Entry] = []
        for line in log.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasSuffix("plan:") {
                entries.append(Entry())
            } else if line.hasPrefix("\t"), !entries.isEmpty {
                let line = line.dropFirst()
                if line.contains("(cost=") || !entries[entries.count - 1].plan.isEmpty {
                    entries[entries.count - 1].plan.append(line)
                } else {
                    entries[entries.count - 1].statement += line + "\n"
                }
            }
        }
        return entries
    }
}
