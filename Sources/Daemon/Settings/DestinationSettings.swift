import TaskEngine
import TaskModel
import Text
import Yams

/// One entry of `notifications.destinations` as the settings file has it.
struct DestinationSettings: Sendable {
    let name: DestinationName
    let target: Destination.Target
    let types: Set<NotificationType>?
    let endpoints: [String]?
    let labels: [String: String]
    let parts: Set<Destination.Part>
    private(set) var secretFile: String?
    /// The position: "pollux.yaml, line 3".
    let place: String
    /// Everything that was written, to tell a change by.
    let text: String

    private static let targets = ["url", "unix", "exec"]
    private static let keys = targets + ["events", "endpoints", "labels", "secret_file", "include"]

    /// Reads the entry. The error names what is wrong and where.
    init(_ key: Node, _ value: Node, path: String) throws(DaemonError) {
        let place = "\(path), line \(key.mark?.line ?? 1)"
        let text = key.string ?? "?"
        guard let name = DestinationName(text) else {
            throw .badSetting(
                "\(place): the name of a destination has small letters, digits, hyphens and underscores, at most 64, and begins with a letter, unlike \"\(text)\"."
            )
        }
        guard name != .taskURLs, name != .callbacks else {
            throw .badSetting(
                "\(place): \(name) stands for the addresses that tasks bring. Give the destination another name.")
        }
        let reader = try Reader(value, of: name, place: place, path: path)
        for key in reader.names where !Self.keys.contains(key) {
            let nearest = NearestName.of(key, among: Self.keys).map { " Did you mean \"\($0)\"?" } ?? ""
            throw .badSetting("\(reader.place(of: key)): \(name) has no setting \"\(key)\".\(nearest)")
        }
        let given = Self.targets.filter { reader.names.contains($0) }
        guard given.count == 1 else {
            throw .badSetting("\(place): \(name) must have exactly one of url, unix and exec.")
        }
        target = try Self.target(reader)
        types = try reader.list("events").map { texts throws(DaemonError) in try Self.types(texts, reader) }
        endpoints = try reader.list("endpoints")
        labels = try reader.mapping("labels")
        var parts: Set<Destination.Part> = []
        for text in try reader.list("include") ?? [] {
            guard let part = Destination.Part(rawValue: text) else {
                throw reader.refusal(of: text, in: "include", known: Destination.Part.allCases.map(\.rawValue))
            }
            parts.insert(part)
        }
        self.parts = parts
        secretFile = try reader.text("secret_file")
        if secretFile != nil, case .program = target {
            throw .badSetting(
                "\(reader.place(of: "secret_file")): a program gets no signature. Remove secret_file of \(name).")
        }
        (self.name, self.place) = (name, place)
        self.text = reader.text
    }

    /// The same with the path of the secret file changed.
    func secretFile(at change: (String) -> String) -> DestinationSettings {
        var settings = self
        settings.secretFile = secretFile.map(change)
        return settings
    }

    private static func target(_ reader: Reader) throws(DaemonError) -> Destination.Target {
        if let url = try reader.text("url") {
            // Not repeated: it may contain a password.
            guard HTTPURL(url) != nil, !url.contains("@"), !url.contains("#") else {
                throw .badSetting(
                    "\(reader.place(of: "url")): the url of \(reader.name) must be an address as in https://example.org/hook, without a user and a fragment."
                )
            }
            return .url(url)
        }
        if let path = try reader.text("unix") {
            guard path.hasPrefix("/"), path.utf8.count <= 107 else {
                throw .badSetting(
                    "\(reader.place(of: "unix")): unix of \(reader.name) must be the absolute path of a socket, of at most 107 bytes."
                )
            }
            return .socket(path)
        }
        let arguments = try reader.list("exec") ?? []
        guard let program = arguments.first, program.hasPrefix("/") else {
            throw .badSetting(
                "\(reader.place(of: "exec")): exec of \(reader.name) must be a list: the absolute path of a program, then its arguments. No shell reads it."
            )
        }
        return .program(arguments)
    }

    private static func types(_ texts: [String], _ reader: Reader) throws(DaemonError) -> Set<NotificationType> {
        var types: Set<NotificationType> = []
        for text in texts {
            guard let type = NotificationType(text) else {
                throw reader.refusal(of: text, in: "events", known: NotificationType.allCases.map(\.text))
            }
            types.insert(type)
        }
        guard !types.isEmpty else {
            throw .badSetting("\(reader.place(of: "events")): events of \(reader.name) must name one at least.")
        }
        return types
    }
}

/// Reads the members of one entry.
private struct Reader {
    let name: DestinationName
    private let members: [(name: String, node: Node)]
    private let entryPlace: String
    private let path: String

    init(_ node: Node, of name: DestinationName, place: String, path: String) throws(DaemonError) {
        guard case .mapping(let mapping) = node else {
            throw .badSetting("\(place): \(name) must be a list of names with values.")
        }
        (self.name, entryPlace, self.path) = (name, place, path)
        members = mapping.map { ($0.key.string ?? "?", $0.value) }
    }

    var names: [String] { members.map(\.name) }

    /// Everything that was written, in one form.
    var text: String {
        members.sorted { $0.name < $1.name }.map { "\($0.name): \(Self.text(of: $0.node))" }.joined(separator: "; ")
    }

    private static func text(of node: Node) -> String {
        if let scalar = node.scalar { return scalar.string.debugDescription }
        if let sequence = node.sequence { return "[\(sequence.map(text(of:)).joined(separator: ", "))]" }
        return (node.mapping ?? [:]).map { "\(text(of: $0.key)): \(text(of: $0.value))" }.sorted().description
    }

    func place(of key: String) -> String {
        members.first { $0.name == key }.map { "\(path), line \($0.node.mark?.line ?? 1)" } ?? entryPlace
    }

    func text(_ key: String) throws(DaemonError) -> String? {
        guard let node = members.first(where: { $0.name == key })?.node else { return nil }
        guard let scalar = node.scalar, node.null == nil, !scalar.string.isEmpty else {
            throw .badSetting("\(place(of: key)): \(key) of \(name) must have one value.")
        }
        return scalar.string
    }

    func list(_ key: String) throws(DaemonError) -> [String]? {
        guard let node = members.first(where: { $0.name == key })?.node else { return nil }
        let texts = node.sequence.map { $0.map { $0.null == nil ? $0.scalar?.string : nil } }
        guard let texts, !texts.contains(nil) else {
            throw .badSetting("\(place(of: key)): \(key) of \(name) must be a list, as in [a, b].")
        }
        return texts.compactMap(\.self)
    }

    func mapping(_ key: String) throws(DaemonError) -> [String: String] {
        guard let node = members.first(where: { $0.name == key })?.node else { return [:] }
        var values: [String: String] = [:]
        guard let mapping = node.mapping else {
            throw .badSetting("\(place(of: key)): \(key) of \(name) must be names with values, as in {team: audio}.")
        }
        for (key, value) in mapping {
            guard let name = key.string, let text = value.scalar?.string else {
                throw .badSetting("\(entryPlace): each label of \(self.name) must have one value.")
            }
            values[name] = text
        }
        return values
    }

    func refusal(of text: String, in key: String, known: [String]) -> DaemonError {
        let nearest = NearestName.of(text, among: known).map { " Did you mean \"\($0)\"?" } ?? ""
        return .badSetting(
            "\(place(of: key)): \(key) of \(name) has no \"\(text)\".\(nearest) There are \(known.joined(separator: ", "))."
        )
    }
}
