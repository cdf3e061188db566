import VerbatimJSON

/// What the checks of the daemon and of its surroundings have shown.
package struct DoctorDocument: ContractDocument {
    /// The number of checks that found a trouble.
    package var troubles = 0
    package var checks: [Check] = []

    /// One check.
    package struct Check: ContractDocument {
        /// What was checked: `settings`, `files`, `disk` …
        package var check = ""
        /// The account, destination or path; nil if there is only one.
        package var subject: String?
        /// `ok`, `trouble` or `unchecked`.
        package var result = ""
        /// A sentence. About a trouble it says what is wrong, what that means, and what to do.
        package var message = ""

        package init() {}

        package init(check: String, subject: String?, result: String, message: String) {
            self.check = check
            self.subject = subject
            self.result = result
            self.message = message
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("check", &check)
            try coder.member("subject", &subject)
            try coder.required("result", &result)
            try coder.required("message", &message)
        }
    }

    package init() {}

    package init(checks: [Check]) {
        self.checks = checks
        troubles = checks.count { $0.result == "trouble" }
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("troubles", &troubles)
        try coder.documents("checks", &checks)
    }
}
