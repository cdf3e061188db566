import Foundation

@testable import Sandbox

extension SimulatedTask {
    /// A task of an endpoint such as `suno/audios`, created at 1,760,000,000 s, with a duration of 100 s.
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

    /// Whether its records have the usual format with all times.
    var hasPlainRecords: Bool {
        guard case .wrapped = form.record else { return false }
        return form.times == .stamped && delivery == .asAsked
    }
}

extension Date {
    /// The creation time of built tasks and the start of manual clocks.
    static let start = Date(timeIntervalSince1970: 1_760_000_000)
}

extension SimulatedProvider {
    /// A provider with a manual clock.
    static func provider(
        clock: ManualClock = ManualClock(), _ configure: (inout SandboxSettings) -> Void = { _ in }
    ) -> SimulatedProvider {
        var settings = SandboxSettings()
        settings.clock = clock.sandboxClock
        configure(&settings)
        return SimulatedProvider(settings: settings)
    }

    /// Submits asynchronously. Returns the id of the created task, if any.
    @discardableResult
    func submit(_ endpoint: String, prompt: String, token: String = "token") throws -> String? {
        try submit(.named(endpoint), body: ["prompt": .string(prompt), "async": true], token: token)
            .task?.identity.taskID
    }

    /// The records that a query returns.
    func records(_ body: JSONValue, service: String, token: String = "token", number: Int = 1) throws -> [JSONValue] {
        try reply(to: TaskQuery(body: body), service: service, token: token, number: number)["items"]?.arrayValue ?? []
    }

    /// The reply to a query.
    func reply(to query: TaskQuery, service: String, token: String, number: Int) throws -> JSONValue {
        try answer(query, service: service, token: token, number: number).document
    }
}
