import Foundation

@testable import Sandbox

extension SimulatedTask {
    /// A task of an endpoint such as `suno/audios`, made at 1,760,000,000 s, that takes 100 s.
    static func task(
        _ endpoint: String, prompt: String = "[seconds=100] a cat", fields: JSONValue = [:], seed: UInt64 = 1,
        sequence: Int = 1, speed: Double = 1
    ) throws -> SimulatedTask {
        SimulatedTask(
            try .named(endpoint), request: (["prompt": .string(prompt)] as JSONValue).appending(fields),
            owner: TaskOwner(token: "token", seed: seed), sequence: sequence, at: .start, seed: seed, speed: speed)
    }
}

extension SimulatedOperation {
    struct Unknown: Error { var endpoint: String }

    static func named(_ endpoint: String) throws -> SimulatedOperation {
        guard let operation = ServiceTable.operations.first(where: { $0.endpoint == endpoint }) else {
            throw Unknown(endpoint: endpoint)
        }
        return operation
    }

    /// Whether its records have the form of most, with all times.
    var hasPlainRecords: Bool {
        guard case .wrapped = form.record else { return false }
        return form.times == .stamped && delivery == .asAsked
    }
}

extension Date {
    /// When builders' tasks are made, and where manual clocks start.
    static let start = Date(timeIntervalSince1970: 1_760_000_000)
}

extension SimulatedProvider {
    /// A provider on a manual clock.
    static func provider(
        clock: ManualClock = ManualClock(), _ configure: (inout SandboxSettings) -> Void = { _ in }
    ) -> SimulatedProvider {
        var settings = SandboxSettings()
        settings.clock = clock.sandboxClock
        configure(&settings)
        return SimulatedProvider(settings: settings)
    }

    /// Submits asynchronously and returns the id of the task that was made, if one was.
    @discardableResult
    func submit(_ endpoint: String, prompt: String, token: String = "token") throws -> String? {
        try submit(.named(endpoint), body: ["prompt": .string(prompt), "async": true], token: token)
            .task?.identity.taskID
    }

    /// The records that one query finds.
    func records(_ body: JSONValue, service: String, token: String = "token", number: Int = 1) throws -> [JSONValue] {
        try told(TaskQuery(body: body), service: service, token: token, number: number)["items"]?.arrayValue ?? []
    }

    /// What one query is told.
    func told(_ query: TaskQuery, service: String, token: String, number: Int) throws -> JSONValue {
        try answer(query, service: service, token: token, number: number).document
    }
}
