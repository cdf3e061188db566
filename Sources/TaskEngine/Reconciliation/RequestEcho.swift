import VerbatimJSON

/// A request, or its echo in a provider's record, as leaf values by path.
///
/// Objects are traversed. Arrays are leaves, because providers do not add defaults inside them.
struct RequestEcho: Sendable, Hashable {
    /// The member names from the root to a leaf.
    typealias Path = [String]

    /// Omits null leaves, which mean the same as absent members.
    private(set) var leaves: [Path: JSONValue] = [:]

    init(_ request: JSONObject) {
        for member in request.members { add(member.value, at: [member.name]) }
    }

    /// Returns the echo without these top-level members.
    func without(_ names: Set<String>) -> RequestEcho {
        var copy = self
        copy.leaves = leaves.filter { path, _ in !names.contains(path[0]) }
        return copy
    }

    /// The names of the top-level members.
    var names: Set<String> { Set(leaves.keys.map { $0[0] }) }

    /// Whether the other echo contains every leaf with an equal value.
    func isCovered(by other: RequestEcho) -> Bool {
        leaves.allSatisfy { path, value in other.leaves[path].map(value.isEquivalent(to:)) ?? false }
    }

    /// The leaves of the other echo that are missing here and not blank.
    func additions(in other: RequestEcho) -> [Path: JSONValue] {
        other.leaves.filter { path, value in leaves[path] == nil && !value.isBlank }
    }

    private mutating func add(_ value: JSONValue, at path: Path) {
        if let object = value.object, !object.isEmpty {
            for member in object.members { add(member.value, at: path + [member.name]) }
        } else if !value.isNull {
            leaves[path] = value
        }
    }
}

extension JSONValue {
    /// Whether the value is null or empty.
    fileprivate var isBlank: Bool {
        switch self {
        case .null: true
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let object): object.isEmpty
        case .bool, .number: false
        }
    }
}
