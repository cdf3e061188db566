import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// MoneyRoutes show what was spent, and show and change budgets.
struct MoneyRoutes {
    let money: MoneyService

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.spend.routerPath) { request, _ in
            let query = try QueryReader(request, knowing: ["by", "since", "until"])
            let by = try query.one("by") ?? "endpoint"
            guard let grouping = MoneyService.Grouping(by) else {
                throw QueryReader.problem("by", "must be provider, account, endpoint, day or label.NAME")
            }
            let (since, until) = (try query.time("since"), try query.time("until"))
            let spending = try await money.spending(
                by: grouping, from: since ?? Timestamp(milliseconds: 0), until: until)
            var document = SpendDocument()
            document.by = by
            (document.since, document.until) = (since?.rfc3339, until?.rfc3339)
            document.rows = spending.rows.map { SpendDocument.Row($0) }
            document.total = SpendDocument.Row(spending.total)
            return Response(json: document.json)
        }
        router.get(LocalAPIRoute.budgets.routerPath) { request, _ in
            try request.refuseQuery()
            let budgets = try await money.budgets().map { BudgetDocument($0) }
            return Response(json: BudgetPage(budgets: budgets).json)
        }
        router.post(LocalAPIRoute.budget.routerPath) { request, context in
            try request.refuseQuery()
            let name = try context.parameters.require("name")
            let document = try BudgetRequestDocument(json: try await request.json())
            let limit = try document.limit.map { text throws(ContractError) in
                guard let limit = Micros.reading(text) else {
                    throw .invalidValue(
                        field: "limit", rule: "must be a number from 0 with at most six decimals, as in \"20\"")
                }
                return limit
            }
            return Response(json: BudgetDocument(try await money.setLimit(of: name, to: limit)).json)
        }
    }
}

extension AmountDocument {
    init(_ micros: Int64, _ unit: MoneyUnit) {
        self.init(micros: Int(micros), unit: unit.text, amount: Micros.text(micros))
    }

    init(_ amount: Amount) { self.init(amount.micros, amount.unit) }
}

extension SpendDocument.Row {
    fileprivate init(_ row: MoneyService.Row) {
        self.init()
        key = row.key
        attempts = row.attempts
        unpriced = row.unpriced
        spent = row.spent.map { AmountDocument($0) }
        reserved = row.reserved.map { AmountDocument($0) }
    }
}

extension BudgetDocument {
    fileprivate init(_ report: MoneyService.BudgetReport) {
        self.init()
        let budget = report.budget
        name = budget.name
        per = budget.period.rawValue
        timeZone = budget.timeZone
        let scope: [(String, String?)] = [
            ("provider", budget.scope.provider?.text), ("account", budget.scope.account?.text),
            ("endpoint", budget.scope.endpoint),
            ("label", budget.scope.label.map { label in budget.scope.labelValue.map { "\(label)=\($0)" } ?? label }),
        ]
        self.scope = Dictionary(scope.compactMap { name, value in value.map { (name, $0) } }) { first, _ in first }
        limit = AmountDocument(report.limit, budget.unit)
        if report.limit != budget.limit { settingsLimit = AmountDocument(budget.limit, budget.unit) }
        onExceed = budget.onExceed.rawValue
        unpriced = budget.unpriced.rawValue
        warnAt = budget.warnAt.map { Double($0) / 1_000 }
        if let end = report.period.end {
            (periodStart, periodEnd) = (report.period.start.rfc3339, end.rfc3339)
        }
        shares = report.shares.map { used in
            var share = Share()
            share.value = used.value.isEmpty ? nil : used.value
            share.spent = AmountDocument(used.spent, budget.unit)
            share.reserved = AmountDocument(used.reserved, budget.unit)
            share.left = AmountDocument(report.limit - used.spent - used.reserved, budget.unit)
            return share
        }
    }
}
