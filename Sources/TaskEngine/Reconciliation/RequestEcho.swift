import VerbatimJSON

/// A request, or the echo of one in a provider's record, as its leaves by path.
///
/// Objects are entered; arrays are leaves, since providers do not fill defaults into them member by member.
struct RequestEcho: Sendable, Hashable {
    /// Where a leaf stands: names of members, from the outside in.
    typealias Path = [String]

    /// Null leaves are left out: a member that is null says nothing.
    private(set) var leaves: [Path: JSONValue] = [:]

    init(_ request: JSONObject) {
        for member in request.members { add(member.value, at: [member.name]) }
    }

    /// The same without these members of the request.
    func without(_ names: Set<String>) -> RequestEcho {
        var copy = self
        copy.leaves = leaves.filter { path, _ in !names.contains(path[0]) }
        return copy
    }

    /// The names of the request's members.
    var names: Set<String> { Set(leaves.keys.map { $0[0] }) }

    /// Whether every leaf stands in the other one too, equal by value.
    func isCovered(by other: RequestEcho) -> Bool {
        leaves.allSatisfy { path, value in other.leaves[path].map(value.isEquivalent(to:)) ?? false }
    }

    /// The leaves of the other one that are not here and say something.
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
