import TaskModel
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct PollPlanCacheTests {
    private let now = ManualTimeSource.start
    private let plans = PollPlanCache()

    @Test func `a plan is valid until its next poll`() {
        plans.keep(
            PollPlanCache.Plan(next: now + .seconds(5)), of: "image", at: now, version: plans.version(of: "image"))
        #expect(plans.plan(of: "image", at: now + .milliseconds(4_999)) != nil)
        #expect(plans.plan(of: "image", at: now + .seconds(5)) == nil)
    }

    @Test func `a plan computed before a change is not stored`() {
        let version = plans.version(of: "image")
        plans.forget("image")
        plans.keep(PollPlanCache.Plan(next: now + .seconds(5)), of: "image", at: now, version: version)
        #expect(plans.plan(of: "image", at: now) == nil)
    }

    @Test func `a plan computed before a clock change is not stored`() {
        let version = plans.version(of: "image")
        plans.forgetAll()
        plans.keep(PollPlanCache.Plan(next: now + .seconds(5)), of: "image", at: now, version: version)
        #expect(plans.plan(of: "image", at: now) == nil)
    }

    @Test func `services are cached for a second, and a changed one is added at once`() {
        #expect(plans.services(at: now) == nil)
        plans.keep(services: ["image"], at: now, version: plans.version)
        plans.forget("audio")
        #expect(plans.services(at: now + .milliseconds(999)) == ["audio", "image"])
        #expect(plans.services(at: now + .seconds(1)) == nil)
        // After a clock change they would have been read in the future.
        #expect(plans.services(at: now - .milliseconds(1)) == nil)
    }

    @Test func `services read before a change are not stored`() {
        let version = plans.version
        plans.forget("audio")
        plans.keep(services: ["image"], at: now, version: version)
        #expect(plans.services(at: now) == nil)
        plans.keep(services: ["image"], at: now, version: plans.version)
        plans.forgetAll()
        #expect(plans.services(at: now) == nil)
    }
}
