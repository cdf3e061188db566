import LocalAPIContract

/// Renders providers, one per line, each followed by its named accounts.
enum ProviderTable {
    static func table(_ providers: [StatusDocument.Provider]) -> Table {
        Table(
            columns: [
                Table.Column(title: "PROVIDER"), Table.Column(title: "STATE"), Table.Column(title: "TOKEN"),
                Table.Column(title: "BASE URL"), Table.Column(title: "NOTE", givesWay: 1),
            ],
            rows: providers.flatMap { provider in
                let accounts = provider.hasNamedAccounts ? provider.accounts : []
                return [
                    row(provider.name, provider.state, provider.token, provider.baseURL, provider.reason)
                ] + accounts.map { row("  " + $0.name, $0.state, $0.token, "", $0.reason) }
            })
    }

    private static func row(
        _ name: String, _ state: String, _ token: String, _ baseURL: String, _ reason: String?
    ) -> [Table.Cell] {
        [
            Table.Cell(name), Table.Cell(state, state == "open" ? nil : .yellow),
            Table.Cell(token, token == "present" ? nil : .faint), Table.Cell(baseURL), Table.Cell(reason ?? ""),
        ]
    }
}
