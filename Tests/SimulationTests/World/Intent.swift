import TaskEngine
import TaskModel
import VerbatimJSON

/// One thing that a program wants to be made, once.
struct Intent: Sendable {
    /// Stands in the task's labels, so that every row can be traced to what was wanted.
    let number: Int
    let submission: Submission
    /// What its program has been told.
    var answered: TaskID?
    /// Tries under way at this moment.
    var asking = 0
    /// Tries whose answer the program never saw: the daemon died, or could not say.
    var unanswered = 0
    /// Tries that were refused in so many words.
    var refusals = 0

    /// What programs like to use; two endpoints share their records.
    static let endpoints = ["image/make", "image/make", "image/edit", "song/audios", "lone/make", "words/lyrics"]

    var key: String? { submission.idempotencyKey }
    /// Whether the program asks (again): without a key it cannot know whether it may.
    var wantsToAsk: Bool { answered == nil && asking == 0 && (key != nil || unanswered == 0) && refusals < 3 }

    /// What a program could want, by the dice; few different requests, so that equal ones meet.
    init(number: Int, dice: Dice, now: Timestamp, endpoints: [String]) {
        self.number = number
        let prompts: [JSONObject] = [
            JSONObject([("prompt", "a cat on a red sofa ")]),
            JSONObject([("prompt", "a cat on a red sofa "), ("n", 2)]),
            JSONObject([("prompt", "two dogs in the summer rain")]),
        ]
        submission = Submission(
            endpoint: dice.pick(endpoints) ?? "",
            request: dice.pick(prompts) ?? JSONObject(),
            idempotencyKey: dice.happens(600) ? "key-\(number)" : nil, labels: ["intent": "\(number)"],
            priority: dice.roll(-1...1),
            notBefore: dice.happens(100) ? .at(now + .seconds(dice.roll(1...90))) : nil,
            deadline: dice.happens(120) ? .at(now + .seconds(dice.roll(20...400))) : nil,
            onUncertain: dice.pick([nil, .hold, .resubmitIfAbsent, .fail]) ?? nil)
    }
}
