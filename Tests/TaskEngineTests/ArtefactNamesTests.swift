import TaskModel
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct ArtefactNamesTests {
    private func name(_ template: String, labels: [String: String] = [:], ordinal: Int = 0) throws -> String {
        var task = TrackedTask.task(1, at: ManualTimeSource.start)
        task.labels = labels
        return try #require(ArtefactNames(template)).name(of: task, ordinal: ordinal)
    }

    private let id = TrackedTask.task(1).id

    @Test func `the usual name has the day, the endpoint, the id and the number`() throws {
        let task = TrackedTask.task(1, at: ManualTimeSource.start)
        let endpoint = task.endpoint.text.replacing("/", with: "-")
        let day = ManualTimeSource.start.rfc3339.prefix(10)
        #expect(ArtefactNames.standard.name(of: task, ordinal: 1) == "by-task/\(day)/\(endpoint)/\(id)-2")
        #expect(
            ArtefactNames(ArtefactNames.standardTemplate)?.name(of: task, ordinal: 1)
                == "by-task/\(day)/\(endpoint)/\(id)-2")
        #expect(ArtefactNames(ArtefactNames.standardTemplate) == .standard)
    }

    @Test func `values of labels cannot leave the directory or mislead a person`() throws {
        let hostile = "..\u{202E}/../-x\u{0}\u{7}\n:*?"
        #expect(try name("{label.a}/{id}-{n}", labels: ["a": hostile]) == "by-task/x/\(id)-1")
        #expect(try name("{label.a}/{id}-{n}") == "by-task/_/\(id)-1")
        #expect(try name("{label.a}{id}-{n}", labels: ["a": "--"]) == "by-task/\(id)-1")
    }

    @Test func `a part is never longer than 120 bytes, and keeps the id and the number`() throws {
        let labels = ["a": String(repeating: "é", count: 100), "b": String(repeating: "b", count: 200)]
        let name = try name("{label.a}{label.b}-{id}-{n}", labels: labels, ordinal: 98)
        #expect(name.utf8.count <= 120 + "by-task/".utf8.count && name.hasSuffix("-\(id)-99"), "\(name)")
    }

    @Test(arguments: [
        "", "{n}", "{id}", "{id}/{n}", "{id}-{n}/x", "{id}-{n}{", "{id}-{n}}", "{id}-{n}{label.}", "a//{id}-{n}",
        ".{id}-{n}",
        "-{id}{n}", "{id}-{n}\u{202E}", "a\\b{id}-{n}",
    ])
    func `a template that could give two files one name, or that leads elsewhere, is none`(template: String) {
        #expect(ArtefactNames(template) == nil)
    }
}
