import Foundation

/// An accepted generation. All of its course is decided at creation.
///
/// A look-up's reply is a pure function of the task and the time (`record(at:)`).
struct SimulatedTask: Sendable {
    /// The number of its paid submit, from 1.
    let sequence: Int
    let operation: SimulatedOperation
    let identity: TaskIdentity
    let owner: TaskOwner
    /// The URL of the sandbox as the client reaches it, without a path.
    let origin: String
    /// How long the URLs in a look-up are valid; nil if they do not expire.
    let resultLifetime: Duration?
    /// The unchanged request body.
    let request: JSONValue
    let controls: PromptControls

    let createdAt: Date
    let startedAt: Date
    let finishedAt: Date
    /// When look-ups and lists start to find the task.
    let visibleAt: Date

    /// The form of `response` before there is a result.
    let earlyStyle: EarlyStyle
    /// Whether an unfinished record has `finished_at: null` and `elapsed: null`. Otherwise it omits both.
    let writesNullTimes: Bool
    let failure: SimulatedFailure
    let failureStyle: FailureStyle
    /// When the earlier of two outputs finishes, as a fraction of the duration.
    let firstOutputFraction: Double
    /// The seed for invented result details, such as a song's length.
    let detailSeed: UInt64

    /// The four documented forms of an early `response`.
    enum EarlyStyle: CaseIterable, Sendable { case absent, null, empty, taskIDOnly }

    enum Outcome: String, Sendable { case pending, succeeded, failed }

    /// Decides the task's course. All randomness comes from `sequence` and `seed`.
    init(
        _ operation: SimulatedOperation, request: JSONValue, owner: TaskOwner, sequence: Int, at now: Date,
        lateBy: Duration = .zero, resultLifetime: Duration? = nil, origin: String = "http://sandbox.invalid",
        seed: UInt64, speed: Double
    ) {
        var random = SeededRandom(seed: seed, stream: "task \(operation.endpoint)", number: sequence)
        let controls = PromptControls(request: request)
        let drawn = operation.duration.seconds(for: request, using: &random)
        let seconds = (controls.seconds ?? drawn) * (controls.isSlow ? 5 : 1) / speed

        self.sequence = sequence
        self.operation = operation
        var identity = TaskIdentity(using: &random)
        if let member = operation.ownIDMember, let own = request[member]?.stringValue { identity.taskID = own }
        self.identity = identity
        self.owner = owner
        self.origin = origin
        self.resultLifetime = resultLifetime
        self.request = request
        self.controls = controls
        // The example records start 60 ms after their creation.
        createdAt = now
        startedAt = now + 0.06 / speed
        finishedAt = startedAt + seconds
        visibleAt = now + lateBy.inSeconds
        earlyStyle = EarlyStyle.allCases[Int(random.next() % 4)]
        writesNullTimes = random.next() % 2 == 0
        failure = SimulatedFailure.known[Int(random.next() % UInt64(SimulatedFailure.known.count))]
        failureStyle = Self.failureStyle(for: operation.shape, asked: controls.failureStyle, using: &random)
        firstOutputFraction = 0.6 + 0.25 * random.fraction()
        detailSeed = random.next()
    }

    /// The progress at a given time, from 0 to 1; 1 means ended.
    func fraction(at now: Date) -> Double {
        guard now < finishedAt else { return 1 }
        return max(0, now.timeIntervalSince(startedAt) / finishedAt.timeIntervalSince(startedAt))
    }

    func outcome(at now: Date) -> Outcome {
        if now < finishedAt { return .pending }
        return controls.fails ? .failed : .succeeded
    }

    /// Whether one of several outputs fails.
    var endsPartly: Bool { controls.failsPartly && operation.shape.canFailPartly }

    private static func failureStyle(
        for shape: any ResponseShape, asked: FailureStyle?, using random: inout SeededRandom
    ) -> FailureStyle {
        let known = shape.failureStyles
        let isOdd = random.fraction() < 0.3
        let drawn = known[Int(random.next() % UInt64(known.count))]
        if let asked { return known.contains(asked) ? asked : .plain }
        return isOdd ? drawn : .plain
    }
}
