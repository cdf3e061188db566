import ProviderCatalog
import TaskModel
import VerbatimJSON

/// Checks a user's provider definition without a daemon.
package struct DefinitionCheck {
    private let catalog: ProviderCatalog
    private let own: [EndpointProfile]
    private let file: String

    /// Loads the file together with the bundled definitions, as a daemon start does.
    package init(file: String) throws(DaemonError) {
        guard let yaml = TextFile.text(of: file) else {
            throw .badSetting("\(file) cannot be read. Does it exist, and may you read it?")
        }
        self.file = file
        do throws(CatalogError) {
            let shipped = Set(try ProviderCatalog.builtIn().endpoints.map(\.name))
            catalog = try ProviderCatalog.builtIn(adding: [(file, yaml)])
            own = catalog.endpoints.filter { !shipped.contains($0.name) }
        } catch {
            throw .badSetting(error.message)
        }
    }

    /// The defined endpoints, as lines of text.
    package var summary: [String] {
        let names = Set(own.map(\.provider)).sorted()
        var lines = names.compactMap { catalog.provider($0) }.map { provider in
            "\(file) is fine: provider \(provider.name) at \(provider.baseURL), token from \(provider.tokenVariable)"
        }
        for endpoint in own {
            lines.append("  \(endpoint.name)" + (endpoint.summary.map { "  \($0)" } ?? ""))
            if endpoint.needsPersonWhenUncertain {
                let list = endpoint.inventory == nil ? "no list of tasks" : "a list of ids only"
                lines.append("    \(list): a submission whose reply is lost waits for a person")
            }
        }
        return lines
    }

    /// Explains how a recorded reply is classified.
    package func explanation(
        of replyFile: String, endpoint name: String?, status: Int, withRule: Bool
    ) throws(DaemonError) -> [String] {
        guard let body = TextFile.bytes(of: replyFile) else {
            throw .badSetting("\(replyFile) cannot be read. Does it exist, and may you read it?")
        }
        let candidates = own.filter { name == nil || $0.name.text == name || $0.name.text.hasSuffix(":\(name ?? "")") }
        guard let endpoint = candidates.first, candidates.count == 1 else {
            throw .badSetting(
                "--endpoint must name one of \(own.map(\.name.text).joined(separator: ", ")), which \(file) defines.")
        }
        let read = endpoint.explain(UpstreamReply(status: status, body: body))
        var lines = ["as a status:      \(read.record)"]
        if withRule { lines.append("  by:             \(read.rule)") }
        lines.append("as a submission:  \(read.submission)")
        if let progress = read.progress { lines.append("progress:         \(progress) %") }
        for result in read.results {
            lines.append("result \(result.pointer): \(result.value.isNull ? "(in base64)" : result.value.text)")
        }
        if read.hasSucceeded, read.results.isEmpty, endpoint.resultFetching == nil {
            lines.append("no result:        the pointers in `results` match nothing")
        }
        return lines
    }
}
