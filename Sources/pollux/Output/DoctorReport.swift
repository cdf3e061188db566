import LocalAPIContract

/// The checks of `pollux doctor` for people.
struct DoctorReport {
    private let document: DoctorDocument

    init(_ document: DoctorDocument) { self.document = document }

    var lines: [String] {
        let checks = document.checks.map { check in
            let words = check.result == "unchecked" ? "not checked" : check.result
            let subject = check.subject.map { "\($0.printable): " } ?? ""
            return
                "\(words.padded(to: 11))  \(check.check.printable.padded(to: 11))  \(subject)\(check.message.printable)"
        }
        let end =
            switch document.troubles {
            case 0: "No trouble was found."
            case 1: "1 trouble was found."
            default: "\(document.troubles) troubles were found."
            }
        return checks + ["", end]
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
