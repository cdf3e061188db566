package import VerbatimJSON

/// One page of tasks, newest first.
package struct TaskPage: Sendable, Hashable {
    package var tasks: [TaskDocument]
    /// What to pass as `cursor` for the page after; nil on the last.
    package var nextCursor: String?

    package init(tasks: [TaskDocument], nextCursor: String? = nil) {
        self.tasks = tasks
        self.nextCursor = nextCursor
    }

    /// Reads a page.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        tasks = try reader.documents("tasks", TaskDocument.init(json:))
        nextCursor = try reader.string("next_cursor")
    }

    /// The page as it is sent.
    package var json: JSONValue {
        ["tasks": .array(tasks.map(\.json)), "next_cursor": JSONValue(nextCursor)]
    }
}
