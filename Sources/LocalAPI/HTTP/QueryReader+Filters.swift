import LocalAPIContract
import TaskModel
import Text

// Reads the filters that lists and streams share.

extension QueryReader {
    /// The states in `state`.
    func states() throws(Problem) -> [TaskState] {
        var states: [TaskState] = []
        for word in list("state") {
            guard let state = TaskState(rawValue: word) else {
                let nearest = NearestName.of(word, among: TaskDocument.states).map { "; did you mean \($0)?" } ?? ""
                throw Self.problem(
                    "state", "must be among \(TaskDocument.states.joined(separator: ", ")), not \"\(word)\"\(nearest)")
            }
            states.append(state)
        }
        return states
    }

    /// The names in `endpoint`.
    func endpoints() throws(Problem) -> [EndpointName] {
        var names: [EndpointName] = []
        for text in list("endpoint") {
            guard let name = EndpointName(text) else {
                throw Self.problem("endpoint", "must be of the form service/operation, not \"\(text)\"")
            }
            names.append(name)
        }
        return names
    }

    /// The labels in `label`. A task must have all of them.
    func labels() throws(Problem) -> [String: String] {
        guard all("label").count <= EnvelopeRules.maxLabels else {
            throw Self.problem("label", "may be given at most \(EnvelopeRules.maxLabels) times")
        }
        var labels: [String: String] = [:]
        for label in all("label") {
            guard let colon = label.firstIndex(of: ":"), colon > label.startIndex else {
                throw Self.problem("label", "must be of the form name:value, not \"\(label)\"")
            }
            let name = String(label[..<colon])
            let value = String(label[label.index(after: colon)...])
            if let other = labels[name], other != value {
                throw Self.problem("label", "asks for two values of \"\(name)\", which no task has")
            }
            labels[name] = value
        }
        return labels
    }
}
