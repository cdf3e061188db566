import ProviderCatalog
import TaskModel
import Text

/// Checks budgets against what the catalog knows.
enum Budgets {
    /// The budgets, sorted by name. A name in a scope that nothing has is a typing error: the budget would limit nothing.
    static func read(
        _ settings: [BudgetSettings], _ catalog: ProviderCatalog, accounts: (ProviderName) -> [AccountName]
    ) throws(DaemonError) -> [Budget] {
        let providers = catalog.providers.map(\.name)
        let names = catalog.endpoints.map(\.name)
        let endpoints = names.map(\.text) + Set(names.map { $0.service.text + "/*" }).sorted()
        let accounts = Set(providers.flatMap(accounts)).sorted().map(\.text)
        for entry in settings {
            let scope = entry.budget.scope
            try check(scope.provider?.text, among: providers.map(\.text), "provider", entry)
            try check(scope.endpoint, among: endpoints, "endpoint", entry)
            try check(scope.account?.text, among: accounts, "account", entry)
        }
        return settings.map(\.budget).sorted { $0.name < $1.name }
    }

    private static func check(
        _ name: String?, among known: [String], _ kind: String, _ entry: BudgetSettings
    ) throws(DaemonError) {
        guard let name, !known.contains(name) else { return }
        let nearest = NearestName.of(name, among: known).map { " Did you mean \"\($0)\"?" } ?? ""
        throw .badSetting(
            "\(entry.place): budget \"\(entry.budget.name)\": there is no \(kind) \"\(name)\".\(nearest)")
    }
}
