import FoundationEssentials
import Gateway
import ProviderCatalog
import TaskEngine
import TaskModel
import Text

/// Makes the destinations of notifications from their settings, with the secrets in their files.
enum Destinations {
    /// A shorter secret can be guessed (Standard Webhooks, section "Signature scheme").
    private static let shortestSecret = 24

    /// The destinations, checked against what the catalog knows. Of `former` a secret stays that cannot be read again.
    static func read(
        _ settings: inout DaemonSettings, _ catalog: ProviderCatalog, keeping former: [Destination]? = nil
    ) throws(DaemonError) -> [Destination] {
        var destinations: [Destination] = []
        for entry in settings.destinations {
            try check(entry, catalog)
            var destination = Destination(name: entry.name, target: entry.target)
            destination.types = entry.types ?? destination.types
            destination.endpoints = entry.endpoints
            destination.labels = entry.labels
            destination.parts = entry.parts
            if let file = entry.secretFile {
                do throws(DaemonError) { destination.secrets = try secrets(in: file, of: entry, &settings) } catch {
                    guard let former = former?.first(where: { $0.name == entry.name }) else { throw error }
                    destination.secrets = former.secrets
                    settings.tokenProblems.append(error.message)
                }
            }
            if case .url(let text) = entry.target, let url = HTTPURL(text), url.scheme == "http",
                !url.authority.isLoopback
            {
                settings.warnings.append(
                    "Notifications to \(entry.name) go to \(destination.shownTarget) without encryption. Use https.")
            }
            destinations.append(destination)
        }
        let gateway = settings.gateway
        return destinations
            + [
                Destination(taskURLs: settings.taskURLs),
                gateway.isOn && gateway.rules.deliversCallbacks ? .callbacks : nil,
            ].compactMap(\.self)
    }

    /// Refuses an endpoint that does not exist: otherwise the destination would silently get nothing.
    private static func check(_ entry: DestinationSettings, _ catalog: ProviderCatalog) throws(DaemonError) {
        let names = catalog.endpoints.map(\.name)
        let known = names.map(\.text) + Set(names.map { $0.service.text + "/*" }).sorted()
        for text in entry.endpoints ?? [] where !known.contains(text) {
            let nearest = NearestName.of(text, among: known).map { " Did you mean \"\($0)\"?" } ?? ""
            throw .badSetting("\(entry.place): endpoints of \(entry.name): there is no endpoint \"\(text)\".\(nearest)")
        }
    }

    /// One secret per line, the newest first; while one is replaced, receivers accept either.
    private static func secrets(
        in path: String, of entry: DestinationSettings, _ settings: inout DaemonSettings
    ) throws(DaemonError) -> [[UInt8]] {
        settings.tokenFiles[path] = FileStamp(of: path)
        guard let text = TextFile.text(of: path) else {
            throw .badSetting(
                "The secret file \(path) of \(entry.name) cannot be read. Does it exist, and may you read it?")
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        if let mode = attributes?[.posixPermissions] as? Int, mode & 0o077 != 0 {
            settings.warnings.append("Other users can read the secret file \(path). Run `chmod 600` on it.")
        }
        var secrets: [[UInt8]] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let word = line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            guard !word.isEmpty, !word.hasPrefix("#") else { continue }
            let secret = word.hasPrefix("whsec_") ? [UInt8](base64: String(word.dropFirst(6))) : Array(word.utf8)
            guard let secret else {
                throw .badSetting(
                    "The secret file \(path) has a line that begins with whsec_ and is not base64 behind it.")
            }
            if secret.count < shortestSecret {
                settings.warnings.append(
                    "A secret of \(entry.name) has fewer than \(shortestSecret) bytes. `echo whsec_$(openssl rand -base64 32)` makes a good one."
                )
            }
            // Libraries that verify signatures read such a text as base64, and find other bytes.
            if !word.hasPrefix("whsec_"), let bytes = [UInt8](base64: word), bytes.count >= 24 {
                settings.warnings.append(
                    "A secret of \(entry.name) looks like base64 and is used as plain text. If it is base64, write whsec_ before it."
                )
            }
            secrets.append(secret)
        }
        guard !secrets.isEmpty else { throw .badSetting("The secret file \(path) of \(entry.name) is empty.") }
        return secrets
    }
}
