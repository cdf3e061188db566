import Randomness
import VerbatimJSON

/// Damages a provider's body as versions, proxies and bugs do, but never turns it into a success.
///
/// Fields are dropped, added, reordered, nulled, and given other types and huge values. A member that says that a task
/// runs or has failed may become nonsense. It is never dropped, because a record without "failed" is rightly not a
/// failure, and never becomes its opposite.
struct Mutation {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func mutate(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let object): .object(mutate(object))
        case .array(let elements): .array(mutate(elements))
        case .null, .bool, .number, .string: value
        }
    }

    private mutating func mutate(_ object: JSONObject) -> JSONObject {
        var pairs: [(String, JSONValue)] = []
        for member in object.members {
            if let value = mutate(member) { pairs.append((member.name, value)) }
        }
        if chance(4) { pairs.shuffle(using: &random) }
        if chance(4) { pairs.append(("zz\(random.next() % 1000)", nonsense())) }
        return JSONObject(pairs)
    }

    private mutating func mutate(_ elements: [JSONValue]) -> [JSONValue] {
        var kept: [JSONValue] = []
        for element in elements where Self.holdsEvidence(element) || !chance(8) { kept.append(mutate(element)) }
        return chance(4) ? kept.shuffled(using: &random) : kept
    }

    private mutating func mutate(_ member: JSONObject.Member) -> JSONValue? {
        if Self.evidence.contains(member.name) {
            return chance(6) ? damaged(member) : member.value
        }
        if Self.holdsEvidence(member.value) {
            // Without a readable response nothing is known, so another type must not help.
            return member.name == "response" && chance(12) ? text() : mutate(member.value)
        }
        switch random.next() % 12 {
        case 0: return nil
        case 1: return .null
        case 2: return nonsense()
        default: return mutate(member.value)
        }
    }

    /// A value without the former meaning and without a better one.
    private mutating func damaged(_ member: JSONObject.Member) -> JSONValue {
        switch member.name {
        case "finished_at":
            return [.null, false, [], [:], "soon"].randomElement(using: &random) ?? .null
        case "success" where member.value == true:
            return [nonsense(), .null, false].randomElement(using: &random) ?? .null
        default:
            return [text(), 7, .number(JSONNumber(Int64.max)), -3, [1], ["zz": 1]].randomElement(using: &random) ?? 7
        }
    }

    private mutating func nonsense() -> JSONValue {
        let values: [JSONValue] = [
            text(), true, false, 0, -1, 42, .number(JSONNumber(Int64.max)), .number(JSONNumber(UInt64.max)), [], [:],
            ["zz": ["zz": "https://example.org/zz.mp4"]], ["a", 1, .null],
            .string(String(repeating: "z", count: 10_000)),
        ]
        return values.randomElement(using: &random) ?? .null
    }

    private mutating func text() -> JSONValue { .string("zz\(random.next() % 1000)") }

    private mutating func chance(_ n: UInt64) -> Bool { random.next() % n == 0 }

    /// The members that say whether a task runs, has failed or has ended.
    private static let evidence: Set<String> = [
        "state", "status", "progress", "percent", "error", "success", "finished_at",
    ]

    private static func holdsEvidence(_ value: JSONValue) -> Bool {
        switch value {
        case .object(let object):
            object.members.contains { evidence.contains($0.name) || holdsEvidence($0.value) }
        case .array(let elements): elements.contains(where: holdsEvidence)
        case .null, .bool, .number, .string: false
        }
    }
}
