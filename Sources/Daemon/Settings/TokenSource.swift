import FoundationEssentials

/// Reads the provider's token from the environment, or from a file that the environment or the settings name.
struct TokenSource {
    var variable = "XHUOAPI_TOKEN"
    let environment: [String: String]
    /// The absolute path of the file.
    let file: String?
    /// The token that was read before, which stays in use if it cannot be read now. So one account's file does not stop
    /// the renewal of other tokens. Nil at a start or a reload, which then fail.
    var former: String?

    /// Reads the token; nil if none is set. Warns if others can read its file.
    func read(_ settings: inout DaemonSettings) throws(DaemonError) -> String? {
        do throws(DaemonError) { return try readNow(&settings) } catch {
            guard let former else { throw error }
            settings.tokenProblems.append(error.message)
            return former
        }
    }

    private func readNow(_ settings: inout DaemonSettings) throws(DaemonError) -> String? {
        if let token = environment[variable] { return try checked(token, from: variable) }
        guard let path = file else { return nil }
        settings.tokenFiles.updateValue(FileStamp(of: path), forKey: path)
        guard let text = TextFile.text(of: path) else {
            throw .badSetting("The token file \(path) cannot be read. Does it exist, and may you read it?")
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        if let mode = attributes?[.posixPermissions] as? Int, mode & 0o077 != 0 {
            settings.warnings.append(
                "Other users can read the token file \(path), and pay with it. Run `chmod 600` on it.")
        }
        return try checked(text, from: "The token file \(path)")
    }

    private func checked(_ text: String, from place: String) throws(DaemonError) -> String? {
        let token = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard !token.isEmpty else { throw .badSetting("\(place) is empty.") }
        // Other characters are not valid in a header field. The message does not repeat the token.
        guard token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw .badSetting("\(place) must contain one word of visible characters.")
        }
        return token
    }
}
