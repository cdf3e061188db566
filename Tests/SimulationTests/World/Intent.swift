import TaskEngine
import TaskModel
import VerbatimJSON

/// A submission that a client wants to make exactly once.
struct Intent: Sendable {
    /// The number in the task's labels, which links a row to its intent.
    let number: Int
    let submission: Submission
    /// The task id that the client received.
    var answered: TaskID?
    /// The number of open tries.
    var asking = 0
    /// The number of tries without a reply, because the daemon died or the outcome was unknown.
    var unanswered = 0
    /// The number of rejected tries.
    var refusals = 0

    /// The endpoints that clients use. Two of them share their records.
    static let endpoints = ["image/make", "image/make", "image/edit", "song/audios", "lone/make", "words/lyrics"]

    var key: String? { submission.idempotencyKey }
    /// Whether the client tries (again). Without a key it cannot repeat a try safely.
    var wantsToAsk: Bool { answered == nil && asking == 0 && (key != nil || unanswered == 0) && refusals < 3 }

    /// The same submission once more, if it was answered and has a key.
    var repetition: Action? { key == nil ? nil : answered.map { .repeatKey(submission, $0) } }

    /// Draws an intent. There are few different requests, so that equal ones occur together.
    init(number: Int, random: SharedRandom, now: Timestamp, endpoints: [String]) {
        self.number = number
        let prompts: [JSONObject] = [
            JSONObject([("prompt", "a cat on a red sofa ")]),
            JSONObject([("prompt", "a cat on a red sofa "), ("n", 2)]),
            JSONObject([("prompt", "two dogs in the summer rain")]),
        ]
        submission = Submission(
            endpoint: random.pick(endpoints) ?? "",
            request: random.pick(prompts) ?? JSONObject(),
            idempotencyKey: random.happens(600) ? "key-\(number)" : nil, labels: ["intent": "\(number)"],
            priority: random.integer(in: -1...1),
            notBefore: random.happens(100) ? .at(now + .seconds(random.integer(in: 1...90))) : nil,
            deadline: random.happens(120) ? .at(now + .seconds(random.integer(in: 20...400))) : nil,
            onUncertain: random.pick([nil, .hold, .resubmitIfAbsent, .fail]) ?? nil)
    }
}
