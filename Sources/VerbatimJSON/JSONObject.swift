/// The members of a JSON object in written order.
package struct JSONObject: Sendable, Hashable {
    /// A name and its value.
    package struct Member: Sendable, Hashable {
        package let name: String
        package var value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// In written order; names are unique.
    package private(set) var members: [Member]

    /// Takes pairs in order. Of equal names the last value wins, at the position of the first.
    package init(_ pairs: [(String, JSONValue)] = []) {
        members = []
        members.reserveCapacity(pairs.count)
        var places: [String: Int] = [:]
        for (name, value) in pairs {
            if let place = places[name] {
                members[place].value = value
            } else {
                places[name] = members.count
                members.append(Member(name, value))
            }
        }
    }

    /// Takes the pairs of a Swift literal. A repeated name is a programming error.
    init(literal pairs: [(String, JSONValue)]) {
        self.init(distinct: pairs.map { Member($0.0, $0.1) })
    }

    /// Takes members with distinct names.
    package init(distinct members: [Member]) {
        assert(Set(members.map(\.name)).count == members.count, "a name stands twice")
        self.members = members
    }

    /// The value of a name. Setting nil removes the member; setting a new name appends it.
    package subscript(name: String) -> JSONValue? {
        get {
            // Loops over indices, because a closure would copy each element, and records are read by name often.
            for place in members.indices where members[place].name == name { return members[place].value }
            return nil
        }
        set {
            guard let index = members.firstIndex(where: { $0.name == name }) else {
                if let newValue { members.append(Member(name, newValue)) }
                return
            }
            if let newValue { members[index].value = newValue } else { members.remove(at: index) }
        }
    }

    /// The names in written order.
    package var names: [String] { members.map(\.name) }

    /// Whether the object has no members.
    package var isEmpty: Bool { members.isEmpty }

    /// Whether `other` contains every member except nulls, with an equivalent value.
    package func isCovered(by other: JSONObject) -> Bool {
        let others = Dictionary(other.members.map { ($0.name, $0.value) }) { first, _ in first }
        return members.allSatisfy { member in
            member.value.isNull || others[member.name].map(member.value.isEquivalent(to:)) ?? false
        }
    }
}
