import Testing

@testable import Sandbox

@Suite struct PromptControlsTests {
    private func controls(_ prompt: String) -> PromptControls { PromptControls(request: ["prompt": .string(prompt)]) }

    @Test func `commands in brackets control the task in any text`() {
        let all = controls("[seconds=2.5] a cat [slow][partial], [fail:string] on a [table] [moderated]")
        #expect(all.seconds == 2.5 && all.isSlow && all.failsPartly && all.fails && all.isModerated)
        #expect(all.failureStyle == .string)
    }

    @Test(arguments: ["", "a cat", "slow fail", "[Chorus] la la [Verse]", "[", "]", "[fail", "[seconds=soon]"])
    func `prompts without commands have no effect`(prompt: String) {
        #expect(controls(prompt) == controls("nothing"))
    }

    @Test func `a very long duration is limited to a day`() {
        #expect(controls("[seconds=1e300]").seconds == 86_400)
        #expect(controls("[seconds=-5]").seconds == 0)
    }
}
