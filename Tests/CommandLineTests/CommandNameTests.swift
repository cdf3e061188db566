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
    func `an unknown command is a usage error and suggests the nearest one`(word: String, message: String) {
        let error = #expect(throws: ValidationError.self) { try CommandName.check([word, "x", "-d", "y"]) }
        #expect(error?.message == message)
        #expect(error.map { ExitReport(of: $0).status } == .usage)
    }

    @Test(arguments: [
        (
            "prompt=a fox",
            "Unexpected argument \"prompt=a fox\". A field of the request follows -d, as in: -d 'prompt=a fox'"
        ),
        ("seed:=7", "Unexpected argument \"seed:=7\". A field of the request follows -d, as in: -d 'seed:=7'"),
        ("fox", "Unexpected argument \"fox\"."),
    ])
    func `a request field without -d is an error that shows the option`(word: String, message: String) {
        let error = #expect(throws: (any Error).self) { try SubmitCommand.parse(["flux/images", word, "-d", "a=b"]) }
        #expect(error.map { SubmitCommand.message(for: $0) } == message)
    }
}
