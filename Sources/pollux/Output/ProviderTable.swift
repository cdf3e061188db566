import LocalAPIContract

/// ProviderTable renders providers, one per line.
enum ProviderTable {
    static func table(_ providers: [StatusDocument.Provider]) -> Table {
        Table(
            columns: [
                Table.Column(title: "PROVIDER"), Table.Column(title: "STATE"), Table.Column(title: "TOKEN"),
                Table.Column(title: "BASE URL"), Table.Column(title: "NOTE", givesWay: 1),
            ],
            rows: providers.map { provider in
                [
                    Table.Cell(provider.name), Table.Cell(provider.state, provider.state == "open" ? nil : .yellow),
                    Table.Cell(provider.token, provider.token == "present" ? nil : .faint),
                    Table.Cell(provider.baseURL),
                    Table.Cell(provider.reason ?? ""),
                ]
            })
    }
}
