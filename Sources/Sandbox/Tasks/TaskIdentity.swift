/// The provider's ids of a task.
struct TaskIdentity: Sendable {
    /// The database id: 24 hexadecimal digits.
    var recordID: String
    var taskID: String
    var traceID: String
    /// The id at the model's vendor.
    var jobID: String
    /// The id of the resulting picture or video.
    var mediaID: String
    /// The numeric form of `mediaID`, for vendors that use numbers.
    var mediaNumber: String

    init(using random: inout SeededRandom) {
        recordID = random.hex(count: 24)
        taskID = random.uuid()
        traceID = random.uuid()
        jobID = random.uuid()
        mediaID = random.uuid()
        mediaNumber = random.digits(count: 19)
    }
}

/// The owner of a task. Each token is a separate user, except that tokens which differ only after a `~` belong to one
/// user.
struct TaskOwner: Sendable, Hashable {
    var applicationID: String
    var credentialID: String
    var userID: String

    init(token: String, seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: "owner \(token.prefix { $0 != "~" })")
        applicationID = random.uuid()
        credentialID = random.uuid()
        userID = random.uuid()
    }
}
