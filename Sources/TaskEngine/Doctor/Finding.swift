/// Finding is what one check of the daemon or of its surroundings has shown.
package struct Finding: Sendable, Hashable {
    package enum Result: String, Sendable {
        case ok, trouble
        /// It could not be found out.
        case unchecked
    }

    /// What was checked.
    package enum Check: String, Sendable {
        case daemon, settings, files, disk, database, account, clock, artefacts, destination, callbacks, gateway
    }

    package let check: Check
    /// The account, destination or path; nil if there is only one.
    package let subject: String?
    package let result: Result
    /// A sentence. About a trouble it says what is wrong, what that means, and what to do.
    package let message: String

    package init(_ check: Check, _ result: Result, _ message: String) {
        self.init(check, nil, result, message)
    }

    package init(_ check: Check, _ subject: String?, _ result: Result, _ message: String) {
        self.check = check
        self.subject = subject
        self.result = result
        self.message = message
    }
}

extension String {
    /// The text with a full stop, unless it has an end.
    package var sentence: String { last.map { ".!?".contains($0) } ?? true ? self : self + "." }
}
