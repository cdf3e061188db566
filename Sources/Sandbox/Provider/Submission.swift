/// The result of one well-formed paid submit, before the reply is written.
struct Submission: Sendable {
    /// The number of the paid submit, from 1. Fault rules such as `lost-reply@3` refer to it.
    var number: Int
    /// The fault of the reply.
    var fault: FaultPlan.Fault?
    /// The created and billed task; nil if the submit was not accepted.
    var task: SimulatedTask?
    /// How long look-ups do not find the task; nil if they find it immediately.
    var lateBy: Duration?
}

/// A billed task in the ledger.
struct LedgerEntry: Sendable {
    var task: SimulatedTask
    /// How the submit was answered.
    var reply: Reply

    enum Reply: String, Sendable {
        case answered, lost, reset, hang
        case badGateway = "502"

        init(_ fault: FaultPlan.Fault?) {
            self =
                switch fault?.kind {
                case .lostReply: .lost
                case .resetReply: .reset
                case .hang: .hang
                case .badGatewayAfter: .badGateway
                default: .answered
                }
        }
    }
}
