package import VerbatimJSON

/// One line of the reply to a bulk submission: a task or a problem.
///
/// A problem has an integer `status` and no `id`, so `jq` can distinguish them.
package enum BatchLine: Sendable, Hashable {
    case task(TaskDocument)
    case problem(ProblemDocument)

    /// Parses a line.
    package init(json: JSONValue) throws(ContractError) {
        if json["id"] == nil, json["status"] != nil {
            self = .problem(try ProblemDocument(json: json))
        } else {
            self = .task(try TaskDocument(json: json))
        }
    }

    /// The line as JSON, without its line break.
    package var json: JSONValue {
        switch self {
        case .task(let task): task.json
        case .problem(let problem): problem.json
        }
    }
}
