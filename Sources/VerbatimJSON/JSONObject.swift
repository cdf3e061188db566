/// The members of a JSON object, in the order in which they were written.
package struct JSONObject: Sendable, Hashable {
    /// One name with its value.
    package struct Member: Sendable, Hashable {
        package let name: String
        package var value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
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
                members.append(Member(name, value))
            }
        }
    }

    /// Takes the pairs of a literal, in which no name may stand twice: that is a bug of whoever wrote it.
    init(literal pairs: [(String, JSONValue)]) {
        self.init(distinct: pairs.map { Member($0.0, $0.1) })
    }

    /// Takes members whose names the caller knows to be distinct.
    package init(distinct members: [Member]) {
        assert(Set(members.map(\.name)).count == members.count, "a name stands twice")
        self.members = members
    }

    /// The value of that name; setting nil removes the member, setting a new name appends it.
    package subscript(name: String) -> JSONValue? {
        get {
            // By place: an element handed to a closure is copied with its value, and records are asked for many names.
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
