import ProviderCatalog
import Synchronization
import Testing

@Suite struct ReloadableTests {
    @Test func `a part is computed once for each replacement`() {
        let whole = Reloadable("first")
        let computations = Mutex(0)
        let count = whole.view { value in
            computations.withLock { $0 += 1 }
            return value.count
        }
        let isEven = count.view { $0.isMultiple(of: 2) }

        #expect(count.wrappedValue == 5)
        #expect(!isEven.wrappedValue)
        #expect(computations.withLock { $0 } == 1)

        whole.replace(with: "second")
        #expect(isEven.wrappedValue)
        #expect(count.wrappedValue == 6)
        #expect(computations.withLock { $0 } == 2)
    }

    @Test func `each replacement has a greater version`() {
        let whole = Reloadable("same")
        let version = whole.version
        let first = version.wrappedValue
        whole.replace(with: "same")
        #expect(version.wrappedValue > first)
        #expect(version.view { $0 + 1 }.wrappedValue == first + 2)
    }
}
