package import TaskModel
import TaskStore
import Text

/// Shows what was spent, and lets people change the limits of budgets.
package struct MoneyService: Sendable {
    let store: TaskStore
    let storage: StorageMonitor
    let wakes: WakeSignals
    let time: any TimeSource

    /// What the overview of spending tells attempts apart by.
    package enum Grouping: Sendable, Hashable {
        case provider, account, endpoint
        /// The days on which attempts started, in UTC.
        case day
        /// The values of that label.
        case label(String)

        /// Reads `provider`, `account`, `endpoint`, `day` or `label.NAME`; nil for any other.
        package init?(_ text: String) {
            switch text {
            case "provider": self = .provider
            case "account": self = .account
            case "endpoint": self = .endpoint
            case "day": self = .day
            default:
                guard text.hasPrefix("label."), text.utf8.count > 6 else { return nil }
                self = .label(String(text.dropFirst(6)))
            }
        }

        /// The group of attempts; nil if they have no such label.
        func key(of sum: LedgerSum) -> String? {
            switch self {
            case .provider: sum.spender.provider.text
            case .account: "\(sum.spender.provider)/\(sum.spender.account)"
            case .endpoint: sum.spender.endpoint.text
            case .label(let name): sum.spender.labels[name]
            case .day: sum.day.map { String(Timestamp(milliseconds: $0 * LedgerSum.dayLength).rfc3339.prefix(10)) }
            }
        }
    }

    /// What the attempts of a group have cost.
    package struct Row: Sendable, Hashable {
        /// Nil for attempts without the label, and for the total.
        package let key: String?
        package var spent: [Amount] = []
        package var reserved: [Amount] = []
        /// Attempts, and those of them whose cost is unknown.
        package var attempts = 0
        package var unpriced = 0

        package init(key: String?) { self.key = key }

        mutating func add(_ sum: LedgerSum) {
            attempts += sum.attempts
            unpriced += sum.unpriced
            guard let unit = sum.unit else { return }
            Self.add(Amount(micros: sum.spent, unit: unit), to: &spent)
            Self.add(Amount(micros: sum.reserved, unit: unit), to: &reserved)
        }

        private static func add(_ amount: Amount, to amounts: inout [Amount]) {
            if let place = amounts.firstIndex(where: { $0.unit == amount.unit }) {
                amounts[place].micros += amount.micros
            } else {
                amounts.append(amount)
                amounts.sort { $0.unit < $1.unit }
            }
        }

        /// The largest amount, by which rows are sorted.
        fileprivate var size: Int64 { (spent + reserved).map(\.micros).max() ?? 0 }
    }

    /// What was spent by attempts that started in a time.
    package struct Spending: Sendable {
        /// The largest first; days in their order.
        package let rows: [Row]
        package let total: Row
    }

    /// What attempts that started in that time have spent and reserved.
    package func spending(
        by grouping: Grouping, from start: Timestamp, until end: Timestamp?
    ) async throws(TaskServiceError) -> Spending {
        let sums: [LedgerSum]
        do throws(TaskStoreError) {
            sums = try await store.spending(from: start, until: end, byDay: grouping == .day)
        } catch {
            throw .store(error)
        }
        var rows: [String?: Row] = [:]
        var total = Row(key: nil)
        for sum in sums {
            let key = grouping.key(of: sum)
            rows[key, default: Row(key: key)].add(sum)
            total.add(sum)
        }
        let sorted =
            grouping == .day
            ? rows.values.sorted { $0.key ?? "" < $1.key ?? "" }
            : rows.values.sorted { ($1.size, $0.key ?? "") < ($0.size, $1.key ?? "") }
        return Spending(rows: sorted, total: total)
    }

    /// A budget, and what is used of it now.
    package struct BudgetReport: Sendable {
        package let budget: Budget
        /// The limit that applies now, in micros.
        package let limit: Int64
        package let period: BudgetPeriod
        /// A budget that is not divided has one.
        package let shares: [Share]

        /// What is used of the limit, or of that of one value of a label, in micros.
        package struct Share: Sendable, Hashable {
            /// The value of the label; empty if the budget is not divided.
            package let value: String
            package let spent: Int64
            package let reserved: Int64
        }
    }

    /// The budgets, by name.
    package func budgets() async throws(TaskServiceError) -> [BudgetReport] {
        let now = time.now()
        do throws(TaskStoreError) {
            return try await store.budgets(at: now).map { row, meters in
                let period = row.budget.period(at: now)
                let isDivided = row.budget.scope.label != nil && row.budget.scope.labelValue == nil
                let shares = meters.map { BudgetReport.Share(value: $0.share, spent: $0.spent, reserved: $0.reserved) }
                let none = BudgetReport.Share(value: "", spent: 0, reserved: 0)
                return BudgetReport(
                    budget: row.budget, limit: row.limit(at: now), period: period,
                    shares: shares.isEmpty && !isDivided ? [none] : shares)
            }
        } catch {
            throw .store(error)
        }
    }

    /// Sets the limit of a budget until its period ends; nil gives it the limit of the settings back.
    package func setLimit(of name: String, to limit: Int64?) async throws(TaskServiceError) -> BudgetReport {
        do throws(TaskStoreError) {
            _ = try await store.setLimit(of: name, to: limit, at: time.now())
        } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        let all: [BudgetReport]
        do throws(TaskServiceError) { all = try await budgets() } catch { throw error.afterCommit }
        guard let report = all.first(where: { $0.budget.name == name }) else {
            throw .unknownBudget(name, nearest: NearestName.of(name, among: all.map(\.budget.name)))
        }
        wakes.submitter.signal()
        return report
    }
}
