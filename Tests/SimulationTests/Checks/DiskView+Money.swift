import GRDB
import StoreSQL
import TaskModel
import TaskStore

/// Reads the ledger and the budgets without the store under test.
extension DiskView {
    /// The tables about money.
    struct Money {
        let ledger: [LedgerLine]
        let budgets: [BudgetLine]
        let meters: [MeterLine]
        let approvals: [ApprovalLine]
        let holds: [HoldLine]
    }

    struct LedgerLine: ColumnDecodable {
        let entry: Int64
        let task: String
        let attempt: Int
        let kind: String
        let startedAt: Int64
        let unit: String?
        let reserved: Int64
        let spent: Int64
        private let provider: String
        private let account: String
        private let endpoint: String
        private let labels: String?

        init(_ next: inout ColumnReader) throws {
            (entry, task, attempt, kind, startedAt) = (next(), next(), next(), next(), next())
            (unit, reserved, spent) = (next.optional(), next(), next())
            (provider, account, endpoint, labels) = (next(), next(), next(), next.optional())
        }

        /// What budgets tell it by.
        var spender: Spender {
            get throws {
                guard let provider = ProviderName(provider), let endpoint = EndpointName(endpoint) else {
                    throw TaskStoreError.damaged("a line of the ledger")
                }
                return Spender(
                    provider: provider, account: AccountName(stored: account), endpoint: endpoint,
                    labels: try StoredLabels.read(labels))
            }
        }
    }

    struct BudgetLine: ColumnDecodable {
        let name: String
        private let definition: String
        let meteredFrom: Int64
        let setLimit: Int64?
        let setUntil: Int64?

        init(_ next: inout ColumnReader) throws {
            (name, definition, meteredFrom) = (next(), next(), next())
            (setLimit, setUntil) = (next.optional(), next.optional())
        }

        var budget: Budget { get throws { try Budget(name: name, storedText: definition) } }
    }

    struct MeterLine: ColumnDecodable {
        let budget: String
        let share: String
        let start: Int64
        let reserved: Int64
        let spent: Int64

        init(_ next: inout ColumnReader) throws {
            (budget, share, start, reserved, spent) = (next(), next(), next(), next(), next())
        }
    }

    struct ApprovalLine: ColumnDecodable {
        let task: String
        let attempt: Int?

        init(_ next: inout ColumnReader) throws { (task, attempt) = (next(), next.optional()) }
    }

    struct HoldLine: ColumnDecodable {
        let task: String
        let budget: String
        let dueAt: Int64

        init(_ next: inout ColumnReader) throws { (task, budget, dueAt) = (next(), next(), next()) }
    }

    /// All rows about money.
    func money() throws -> Money {
        Money(
            ledger: try rows(
                """
                SELECT entry, task, attempt, kind, started_at_ms, unit, reserved_micros, spent_micros, provider, account,
                  endpoint, labels
                FROM ledger ORDER BY entry
                """),
            budgets: try rows(
                "SELECT name, definition, metered_from_ms, set_limit_micros, set_until_ms FROM budget ORDER BY name"),
            meters: try rows(
                "SELECT budget, share, period_start_ms, reserved_micros, spent_micros FROM budget_meter ORDER BY 1, 2, 3"
            ),
            approvals: try rows("SELECT task.id, attempt FROM budget_approval JOIN task USING (task_key) ORDER BY 1"),
            holds: try rows(
                """
                SELECT task.id, budget, next_due_at_ms FROM budget_hold JOIN task USING (task_key)
                WHERE state = 'queued' ORDER BY task_key
                """))
    }
}
