import Testing
import Wire

@Suite struct CreditTests {
  @Test func aSenderSpendsOnlyWhatItHas() throws {
    var credit = SendCredit(100)
    #expect(credit.spend(60) == true)
    #expect(credit.spend(41) == false)
    #expect(credit.spend(40) == true)
    #expect(credit.available == 0)
    try credit.add(7)
    #expect(credit.available == 7)
  }

  @Test func grantsBeyondTheCeilingAreRefused() throws {
    var credit = SendCredit(WireFormat.creditCeiling - 1)
    try credit.add(1)
    #expect(throws: CloseReason.credit) { try credit.add(1) }
    #expect(throws: CloseReason.credit) { try credit.add(.max) }
  }

  @Test func aPeerThatSendsMoreThanItsCreditIsRefused() throws {
    var credit = ReceiveCredit(window: 2_000, messageLimit: 1_024)
    try credit.charge(1_500)
    #expect(throws: CloseReason.credit) { try credit.charge(501) }
    try credit.charge(500)
  }

  @Test func theLongestMessageCanAlwaysBeSentOnceAllIsConsumed() throws {
    // Every window that a preface may announce, with messages that leave the most awkward rests ungranted.
    for window in 1_088...4_400 {
      var receiver = ReceiveCredit(window: window, messageLimit: 1_024)
      var sender = SendCredit(UInt32(window))
      for cost in [64, 65, 271, 64, 1_088, 300, 64, 1_088, 1_087, 1_088] {
        #expect(sender.spend(cost) == true, "window \(window), cost \(cost)")
        try receiver.charge(cost)
        if let grant = receiver.consume(cost) { try sender.add(grant) }
      }
      #expect(sender.available == receiver.available)
    }
  }

  @Test func wideningIsGrantedWithTheNextGrant() throws {
    var credit = ReceiveCredit(window: 2_000, messageLimit: 1_024)
    credit.widen(to: 10_000)
    #expect(credit.consume(0) == 8_000)
    credit.widen(to: 5_000)
    #expect(credit.window == 10_000)
    #expect(credit.available == 10_000)
  }
}
