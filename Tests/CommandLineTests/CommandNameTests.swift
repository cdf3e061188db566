import ArgumentParser
import Testing

@testable import pollux

@Suite struct CommandNameTests {
    @Test(arguments: ["submit", "list", "serve", "sandbox", "help", "--version", "-h", "--generate-completion-script"])
    func `a command and an option may come first`(word: String) {
        #expect(throws: Never.self) { try CommandName.check([word, "x"]) }
        #expect(throws: Never.self) { try CommandName.check([]) }
    }

    @Test(arguments: [
        ("sbmit", "There is no command \"sbmit\". Did you mean `pollux submit`?"),
        ("lst", "There is no command \"lst\". Did you mean `pollux list`?"),
        ("frobnicate", "There is no command \"frobnicate\"."), ("", "There is no command \"\"."),
    ])
    func `another word is refused, and what is near is named`(word: String, message: String) {
        let error = #expect(throws: ValidationError.self) { try CommandName.check([word, "x", "-d", "y"]) }
        #expect(error?.message == message)
        #expect(error.map { ExitReport(of: $0).status } == .usage)
    }
}
