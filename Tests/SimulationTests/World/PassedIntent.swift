import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// A submission that a program wants to make once, through the gateway. It repeats the request until it has a reply.
struct PassedIntent: Sendable {
    let number: Int
    let submission: GatewaySubmission
    var isAsking = false
    /// The number of tries that may have been stored, and whose replies were lost.
    var lost = 0
    /// The task in the reply that the program received.
    var task: TaskID?

    /// Whether its client counts its retries. It makes one request at a time.
    var counts: Bool { submission.program == Self.counting }
    var wantsToAsk: Bool { task == nil && !isAsking }
    var hasBegun: Bool { isAsking || lost > 0 || task != nil }

    static let counting = "counting"
    /// The name of the programs that make equal requests at the same time.
    static let parallel = "parallel"

    private init(number: Int, program: String, endpoint: EndpointName, mark: UInt8) {
        self.number = number
        submission = GatewaySubmission(
            endpoint: endpoint, request: JSONObject([("prompt", "what a program asks for")]),
            program: program, contentKey: [UInt8](repeating: mark, count: 32))
    }

    /// Draws the intents of a history: equal ones of several programs, and of one that counts its retries.
    static func all(random: SharedRandom) -> [PassedIntent] {
        guard let endpoint = random.pick(["image/make", "song/audios"]).flatMap({ EndpointName($0) }) else { return [] }
        let parallel = (0..<random.integer(in: 1...4)).map {
            PassedIntent(number: $0, program: Self.parallel, endpoint: endpoint, mark: 1)
        }
        let counting = (0..<random.integer(in: 0...2)).map {
            PassedIntent(number: parallel.count + $0, program: Self.counting, endpoint: endpoint, mark: 2)
        }
        return parallel + counting
    }
}

/// One request of a program, and what its connection does.
struct PassedTry: Sendable {
    let number: Int
    let submission: GatewaySubmission
    /// How long the connection stays open after the task is stored, in milliseconds.
    let open: Int
    /// Whether the reply arrives.
    let isDelivered: Bool

    func perform(on daemon: DaemonIncarnation) async throws(TaskServiceError) -> TaskID {
        let admission = try await daemon.gateway.submit(submission)
        if open > 0 { await daemon.wait(milliseconds: open) }
        if let exchange = admission.exchange {
            daemon.gateway.report(isDelivered ? .delivered : .undelivered, of: exchange)
        }
        return admission.task
    }
}

extension Clients {
    /// The next request of a program; nil if none has one to make.
    func passedTry(random: SharedRandom) -> PassedTry? {
        let ready = passed.filter { intent in
            intent.wantsToAsk
                && !(intent.counts && passed.contains { $0.counts && $0.number < intent.number && $0.task == nil })
        }
        guard let intent = random.pick(ready) else { return nil }
        var submission = intent.submission
        submission.isCountedRetry = intent.counts && intent.lost > 0
        submission.rule = JoinRule(retryWindow: .seconds(1_000_000))
        return PassedTry(
            number: intent.number, submission: submission,
            open: random.happens(500) ? random.integer(in: 1...25_000) : 0, isDelivered: random.happens(500))
    }

    /// Ends a try.
    mutating func settle(_ passedTry: PassedTry, _ change: (inout PassedIntent) -> Void) {
        guard let index = passed.firstIndex(where: { $0.number == passedTry.number }) else { return }
        passed[index].isAsking = false
        change(&passed[index])
    }
}
