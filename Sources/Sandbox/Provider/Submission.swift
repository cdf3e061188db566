/// What became of one well-formed paid submit, before a byte of the reply is written.
struct Submission: Sendable {
    /// The paid-submit counter, from 1; fault rules such as `lost-reply@3` count with it.
    var number: Int
    /// What is to go wrong with the reply.
    var strike: FaultPlan.Strike?
    /// The task that was made and billed; nil when the submit was not accepted.
    var task: SimulatedTask?
    /// How long look-ups will not find the task; nil when they find it at once.
    var lateBy: Duration?
}

/// One billed task, for the ledger.
struct LedgerEntry: Sendable {
    var task: SimulatedTask
    /// How its submit was answered.
    var reply: Reply

    enum Reply: String, Sendable {
        case answered, lost, reset, hang
        case badGateway = "502"

        init(_ strike: FaultPlan.Strike?) {
            self =
                switch strike?.kind {
                case .lostReply: .lost
                case .resetReply: .reset
                case .hang: .hang
                case .badGatewayAfter: .badGateway
                default: .answered
                }
        }
    }
}
