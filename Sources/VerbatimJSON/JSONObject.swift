/// The members of a JSON object, in the order in which they were written.
package struct JSONObject: Sendable, Hashable {
    /// One name with its value.
    package struct Member: Sendable, Hashable {
        package let name: String
        package var value: JSONValue
    }

    /// In written order; no name occurs twice.
    package private(set) var members: [Member]

    /// Takes the pairs in order; of equal names the last one wins, at the place of the first.
    package init(_ pairs: [(String, JSONValue)] = []) {
        members = []
        members.reserveCapacity(pairs.count)
        var places: [String: Int] = [:]
        for (name, value) in pairs {
            if let place = places[name] {
                members[place].value = value
            } else {
                places[name] = members.count
                members.append(Member(name: name, value: value))
            }
        }
    }

    /// Takes the pairs of a literal, in which no name may stand twice: that is a bug of whoever wrote it.
    init(literal pairs: [(String, JSONValue)]) {
        members = pairs.map { Member(name: $0.0, value: $0.1) }
        assert(Set(members.map(\.name)).count == members.count, "a name stands twice in a literal")
    }

    /// Takes members whose names the caller knows to be distinct.
    init(distinct members: [Member]) {
        self.members = members
    }

    /// The value of that name; setting nil removes the member, setting a new name appends it.
    package subscript(name: String) -> JSONValue? {
        get { members.first { $0.name == name }?.value }
        set {
            guard let index = members.firstIndex(where: { $0.name == name }) else {
                if let newValue { members.append(Member(name: name, value: newValue)) }
                return
            }
            if let newValue { members[index].value = newValue } else { members.remove(at: index) }
        }
    }

    /// The names, in written order.
    package var names: [String] { members.map(\.name) }

    /// Whether there is no member.
    package var isEmpty: Bool { members.isEmpty }

    /// Whether every member here that is not null is there too, with an equivalent value.
    package func isCovered(by other: JSONObject) -> Bool {
        let others = Dictionary(other.members.map { ($0.name, $0.value) }) { first, _ in first }
        return members.allSatisfy { member in
            member.value.isNull || others[member.name].map(member.value.isEquivalent(to:)) ?? false
        }
    }
}
