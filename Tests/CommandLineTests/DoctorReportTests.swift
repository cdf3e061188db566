import LocalAPIContract
import Testing

@testable import pollux

@Suite struct DoctorReportTests {
    private func lines(_ checks: DoctorDocument.Check...) -> [String] {
        DoctorReport(DoctorDocument(checks: checks)).lines
    }

    @Test func `each check has a line, and the last line counts the troubles`() {
        let fine = DoctorDocument.Check(check: "clock", subject: nil, result: "ok", message: "It is right.")
        let full = DoctorDocument.Check(check: "disk", subject: "/s", result: "trouble", message: "It is full.")
        let unseen = DoctorDocument.Check(check: "account", subject: "a", result: "unchecked", message: "\u{1B}[2J")
        #expect(lines(fine).last == "No trouble was found.")
        #expect(lines(fine, full).last == "1 trouble was found.")
        let all = lines(fine, full, full, unseen)
        #expect(all[0] == "ok           clock        It is right.")
        #expect(all[1] == "trouble      disk         /s: It is full.")
        #expect(all[3].hasPrefix("not checked  account      a: ") && !all[3].contains("\u{1B}"))
        #expect(all.last == "2 troubles were found.")
    }
}
