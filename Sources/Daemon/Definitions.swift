import FoundationEssentials
import ProviderCatalog

/// The provider definitions: the shipped ones and the user's own.
struct Definitions: Sendable {
    let catalog: ProviderCatalog
    /// The user's own files, sorted by path.
    let own: [(path: String, yaml: String)]

    /// Reads the files of the directory, and the prices. Neither need exist.
    init(in directory: String?, prices: String? = nil) throws(DaemonError) {
        do throws(CatalogError) {
            var own = try Self.files(in: directory)
            var catalog = try ProviderCatalog.builtIn(adding: own.map { ($0.path, $0.yaml) })
            if let prices, FileManager.default.fileExists(atPath: prices) {
                guard let yaml = TextFile.text(of: prices) else {
                    throw .badField(file: prices, line: nil, field: "the file", problem: "it cannot be read")
                }
                catalog = try catalog.priced(by: yaml, file: prices, shownName: "prices.yaml")
                own.append((prices, yaml))
            }
            (self.catalog, self.own) = (catalog, own)
        } catch {
            throw .badSetting(error.message)
        }
    }

    private static func files(in directory: String?) throws(CatalogError) -> [(path: String, yaml: String)] {
        guard let directory else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return try names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted().map {
            name throws(CatalogError) in
            let path = directory + "/" + name
            guard let yaml = TextFile.text(of: path) else {
                throw .badField(file: path, line: nil, field: "the file", problem: "it cannot be read")
            }
            return (path, yaml)
        }
    }
}
