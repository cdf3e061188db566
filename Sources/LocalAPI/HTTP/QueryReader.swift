import Hummingbird
import LocalAPIContract
import TaskModel
import Text
import VerbatimJSON

/// Parses the parameters of a query and rejects unknown or invalid ones by name.
struct QueryReader {
    private let parameters: [(name: String, value: String)]

    init(_ request: Request, knowing known: [String]) throws(Problem) {
        parameters = request.uri.queryParameters.map { (String($0.key), String($0.value)) }
        for (name, _) in parameters where !known.contains(name) {
            let nearest = NearestName.of(name, among: known)
            let known = known.isEmpty ? "It takes none." : "It takes \(known.joined(separator: ", "))."
            throw Problem(
                .badRequest, ProblemCode.invalidParameter, title: "Invalid query parameter",
                "This route has no parameter \"\(name)\"\(nearest.map { "; did you mean \"\($0)\"?" } ?? ".") \(known)",
                members: [("fields", [.string(name)])] + (nearest.map { [("nearest", [.string($0)])] } ?? []))
        }
    }

    /// All values of that name.
    func all(_ name: String) -> [String] { parameters.filter { $0.name == name }.map(\.value) }

    /// The only value of that name.
    func one(_ name: String) throws(Problem) -> String? {
        let values = all(name)
        guard values.count <= 1 else { throw Self.problem(name, "may occur only once") }
        return values.first
    }

    /// A comma-separated list, which may be repeated.
    func list(_ name: String) -> [String] {
        all(name).flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    }

    /// `true` or `false`.
    func flag(_ name: String) throws(Problem) -> Bool? {
        guard let text = try one(name) else { return nil }
        guard let value = Bool(text) else { throw Self.problem(name, "must be true or false") }
        return value
    }

    /// A whole number within bounds.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = try one(name) else { return nil }
        guard let value = Int(text), range.contains(value), !text.hasPrefix("+") else {
            throw Self.problem(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A number of seconds within bounds, fractions allowed.
    func seconds(_ name: String, upTo most: Double) throws(Problem) -> Duration? {
        guard let text = try one(name) else { return nil }
        guard let value = Double(text), value >= 0, value <= most else {
            throw Self.problem(name, "must be a number of seconds from 0 to \(Int(most))")
        }
        return .seconds(rounding: value)
    }

    /// A point in time.
    func time(_ name: String) throws(Problem) -> Timestamp? {
        guard let text = try one(name) else { return nil }
        // An unescaped plus sign arrives as a space.
        guard let time = Timestamp(rfc3339: text.replacing(" ", with: "+")) else {
            throw Self.problem(name, "must be a time as in 2026-11-23T14:05:09Z")
        }
        return time
    }

    /// The problem for an invalid parameter.
    static func problem(_ name: String, _ rule: String) -> Problem {
        Problem(
            .badRequest, ProblemCode.invalidParameter, title: "Invalid query parameter", "\(name) \(rule).",
            members: [("fields", [.string(name)])])
    }
}

extension Request {
    /// Rejects a query on a route without parameters.
    func refuseQuery() throws(Problem) { _ = try QueryReader(self, knowing: []) }
}
