import Testing

@testable import pollux

@Suite struct LeadingOptionsTests {
    @Test(arguments: [
        ("--json list", "list --json"), ("--socket /s --json show x -- -y", "show --socket /s --json x -- -y"),
        ("--socket=/s status", "status --socket=/s"), ("list --json", "list --json"), ("--version", "--version"),
        ("--json --help", "--json --help"), ("--socket", "--socket"), ("", ""), ("--bogus list", "--bogus list"),
    ])
    func `global options may precede the command`(given: String, moved: String) {
        let words = { (text: String) in text.split(separator: " ").map(String.init) }
        #expect(LeadingOptions.moved(words(given)) == words(moved))
    }
}
