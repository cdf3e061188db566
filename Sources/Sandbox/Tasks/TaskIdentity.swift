/// The ids that the provider gives one task.
struct TaskIdentity: Sendable {
    /// The database id, 24 hexadecimal digits.
    var recordID: String
    var taskID: String
    var traceID: String
    /// The id at the model's own vendor.
    var jobID: String
    /// The id of the picture or video that came out.
    var mediaID: String
    /// The numeric id of the same, where the vendor counts.
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

/// Whose task it is; every token is a user of its own.
struct TaskOwner: Sendable, Hashable {
    var applicationID: String
    var credentialID: String
    var userID: String

    init(token: String, seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: "owner \(token)")
        applicationID = random.uuid()
        credentialID = random.uuid()
        userID = random.uuid()
    }
}
