import FoundationEssentials

/// Where the provider's token comes from: the environment, or a file that it or the settings name.
struct TokenSource {
    var variable = "XHUOAPI_TOKEN"
    let environment: [String: String]
    /// From the root, wherever it was named.
    let file: String?

    /// The token; nil where none is set. Warns where others could read its file.
    func read(_ settings: inout DaemonSettings) throws(DaemonError) -> String? {
        if let token = environment[variable] { return try checked(token, from: variable) }
        guard let path = file else { return nil }
        guard let text = TextFile.text(of: path) else {
            throw .badSetting("The token file \(path) cannot be read. Does it exist, and may you read it?")
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        if let mode = attributes?[.posixPermissions] as? Int, mode & 0o077 != 0 {
            settings.warnings.append("Others may read the token file \(path). `chmod 600` it.")
        }
        return try checked(text, from: "The token file \(path)")
    }

    private func checked(_ text: String, from place: String) throws(DaemonError) -> String? {
        let token = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard !token.isEmpty else { throw .badSetting("\(place) is empty.") }
        // Anything else could not stand in a header field; the token itself is not repeated here.
        guard token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw .badSetting("\(place) holds something that is not one word of visible characters.")
        }
        return token
    }
}
