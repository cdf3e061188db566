import Dispatch
import HTTPTypes
import HTTPServing
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing

@testable import LocalAPI

@Suite struct EventLoopTests {
    private struct Context: RequestContext {
        var coreContext: CoreRequestContextStorage
        let eventLoop: any EventLoop

        init(source: ApplicationRequestContextSource) {
            coreContext = CoreRequestContextStorage(source: source)
            eventLoop = source.channel.eventLoop
        }
    }

    @Test func `a route runs on the event loop of its connection, also after a wait, except in offEventLoop`()
        async throws
    {
        let router = Router(context: Context.self)
        router.get("places") { _, context in
            var places = [context.eventLoop.inEventLoop]
            // A thread outside the loop resumes it.
            await withCheckedContinuation { waiting in DispatchQueue.global().async { waiting.resume() } }
            places.append(context.eventLoop.inEventLoop)
            places.append(await offEventLoop { context.eventLoop.inEventLoop })
            places.append(context.eventLoop.inEventLoop)
            return "\(places)"
        }
        let app = Application(
            router: router, server: LocalAPI.http.server,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)))
        try await app.test(.live) { client in
            for _ in 0..<3 {
                let answer = try await client.execute(uri: "/places", method: .get)
                #expect(String(buffer: answer.body) == "[true, true, false, true]")
            }
        }
    }
}
