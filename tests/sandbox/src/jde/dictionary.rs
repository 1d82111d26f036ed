//! The data dictionary: what each alias is called and holds, once for all tables, as JD Edwards itself keeps it.
//!
//! Invariant: pure data. `C` is text of a width, `R` the same but right-justified with leading blanks (business units),
//! `N` a number with its decimals, `J` a Julian date, `T` a time of day. `A01..A09` stands for the whole run of aliases.

/// One alias a line: alias, type, title.
pub(super) const ALIASES: &str = "
AA N2 Amount
AAP N2 Amount Open
AC01..AC30 C3 Category Code Address
ACR N2 Amount Currency
ADDJ J Date Actual Ship
ADSA N2 Discount Taken
ADSC N2 Discount Available
AEXP N2 Amount Extended Price
AG N2 Gross Amount
AID C8 Account ID
AITM C25 3rd Item Number
ALKY C20 Long Address Number
ALN C30 Search Text Compressed
ALP1 C40 Secondary Alpha Name
ALPH C40 Alpha Name
AN8 N0 Address Number
AN81..AN86 N0 Related Address Number
ANBY N0 Buyer Number
ANI C29 Account Number Input
ANS C25 Free Form 3rd Account Number
AOPN N2 Amount Open
APC C4 A/P Class Code
AREC N2 Amount Received
ASID C25 Serial Number
AT1 C3 Search Type
ATP C1 Payables Y/N/M/F
ATR C1 Receivables Y/N
ATXA N2 Taxable Amount
ATXN N2 Non-Taxable Amount
AVCH C1 Evaluated Receipt
AYPD N2 Amount Paid Year to Date
BCRC C3 Currency Code Base
BPC C3 Budget Pattern Code
CN C8 Payment Number
CNDJ J Date Cancel
CO C5 Company
CRCA C3 Currency Code A/B Amounts
CRCD C3 Currency Code
CRR N7 Exchange Rate
CRRM C1 Currency Mode
CRRP C3 Currency Code Payments
CTRY N0 Century
DC C40 Description Compressed
DCT C2 Document Type
DCTA C2 Adjusting Document Type
DCTM C2 Payment Document Type
DCTO C2 Order Type
DDJ J Due Date
DDNJ J Discount Due Date
DEL1 C30 Delivery Instructions 1
DEL2 C30 Delivery Instructions 2
DESC C30 Description
DGJ J G/L Date
DGL J G/L Date
DICJ J Batch Date
DIVJ J Invoice Date
DL01..DL04 C30 Description
DMTJ J Payment Date
DOC N0 Document Number
DOCM N0 Payment Number
DOCO N0 Order Number
DRQJ J Date Requested
DSC1 C30 Description
DSC2 C30 Description Line 2
DSVJ J Service/Tax Date
EXA C30 Explanation Alpha Name
EXR C30 Explanation Remark
EXR1 C2 Tax Expl Code
EXTL C2 Line Extension Code
FAP N2 Foreign Open Amount
FEA N2 Foreign Extended Price
FPDJ J Date Final Payment
FQ C4 Fiscal Quarter
FREC N2 Foreign Amount Received
FRRC N4 Foreign Unit Cost
FY N0 Fiscal Year
GLBA C8 G/L Bank Account
GLC C4 G/L Offset
GLPT C4 G/L Category
HDPY C1 Hold Payment Code
HOLD C2 Hold Code
ICU N0 Batch Number
ICUT C2 Batch Type
ITM N0 Short Item Number
IVD J Invoice Date
JELN N1 Journal Entry Line Number
JOBN C10 Work Station ID
KCO C5 Document Company
KCOO C5 Order Company
LDA C1 Level of Detail
LDM C1 Level of Detail
LITM C25 2nd Item Number
LNGP C2 Language
LNID N3 Line Number
LNTY C2 Line Type
LOCN C20 Location
LOTN C30 Lot Serial Number
LT C2 Ledger Type
LTTR C3 Last Status
MCU R12 Business Unit
MCU2 R12 Business Unit 2
NAME C30 Name
NXTR C3 Next Status
OBJ C6 Object Account
OBJ1 C6 Object Account 1
OBJA C6 Alternate Object Account
OCTO C2 Original Order Type
OGNO N3 Original Line Number
OKCO C5 Original Order Company
OMCU R12 Project Number
OORN C8 Original Order Number
OPDJ J Original Promised Date
ORBY C10 Ordered By
OTOT N2 Order Gross Amount
PAAP N2 Payment Amount
PDCT C2 Purchase Order Document Type
PDDJ J Promised Delivery Date
PEC C1 Posting Edit
PECC C1 Posting Edit Business Unit
PID C10 Program ID
PKCO C5 Purchase Order Document Company
PN N0 Period Number
PO C8 Purchase Order
POST C1 G/L Posted Code
PRP0..PRP9 C3 Purchasing Category Code
PRRC N4 Unit Cost
PST C1 Pay Status
PTC C3 Payment Terms
PYE N0 Payee Number
PYID N0 Payment ID
PYIN C1 Payment Instrument
R001..R043 C3 Category Code G/L
R1 C8 Reference 1
R2 C8 Reference 2
R3 C8 Reference 3
RC5 N0 File Line Identifier
RCND C1 Reconciled
RCTO C2 Related Order Type
RE C1 Reverse or Void
RF C2 Recurring Frequency
RKCO C5 Related Order Company
RLLN N3 Related Line Number
RMK C30 Remark
RORN C8 Related Order Number
RP01..RP50 C3 Category Code Business Unit
SBL C8 Subledger
SBLT C1 Subledger Type
SFX C3 Pay Item
SFXE N0 Pay Item Extension
SFXO C3 Order Suffix
SHAN N0 Ship To Number
SIC C10 Industry Classification
SNTO N0 Approver Number
SRP0..SRP9 C3 Sales Category Code
SRTX C30 Search Text
STAM N2 Tax
STKT C1 Stocking Type
STYL C2 Business Unit Type
SUB C8 Subsidiary
SUBA C8 Alternate Subsidiary
TAX C20 Tax ID
TAXC C1 Person/Corporation Code
TDAY T Time of Day
TKBY C10 Order Taken By
TORG C10 Transaction Originator
TRAP C3 Payment Terms
TRDJ J Order Date
TX C1 Purchasing Taxable
TXA1 C10 Tax Rate/Area
TXA2 C10 Tax Rate/Area 2
U N2 Units
UCHG N2 Units Changed
UM C2 Unit of Measure
UNIT C8 Unit
UOM C2 Unit of Measure
UOM1..UOM9 C2 Unit of Measure
UOPN N2 Units Open
UORG N2 Units Order Quantity
UPMJ J Date Updated
UPMT T Time Last Updated
UREC N2 Units Received
USER C10 User ID
VDGJ J Void Date
VINV C25 Supplier Invoice Number
VLDT J Value Date
VOD C1 Void Flag
VR01 C25 Reference
VR02 C25 Reference 2
WR01 C4 Work Order Category
";

/// The tables: name, title, primary key, columns. The key is the order of the unique index.
pub(super) const TABLES: &[(&str, &str, &str, &str)] = &[
    (
        "F0006",
        "Business Unit Master",
        "MCU",
        "MCU STYL DC LDM CO AN8 DL01..DL04 RP01..RP50 PECC OBJ1 FPDJ USER PID JOBN UPMJ UPMT",
    ),
    // Name and currency are the standard dictionary's; the reference lists no columns beyond the key.
    ("F0010", "Company Constants", "CO", "CO NAME CRCD USER PID JOBN UPMJ UPMT"),
    (
        "F0101",
        "Address Book Master",
        "AN8",
        "AN8 ALKY TAX ALPH DC MCU SIC LNGP AT1 TAXC ATP ATR AN81..AN86 AC01..AC30 RMK ALP1 USER PID JOBN UPMJ UPMT",
    ),
    ("F0401", "Supplier Master", "AN8", "AN8 APC TRAP HDPY PYIN CRRP CRCA SNTO AYPD TXA2 HOLD USER PID JOBN UPMJ UPMT"),
    (
        "F0411",
        "Accounts Payable Ledger",
        "DOC DCT KCO SFX SFXE",
        "KCO DOC DCT SFX SFXE DCTA AN8 PYE SNTO DIVJ DSVJ DDJ DDNJ DGJ FY CTRY PN CO ICU ICUT DICJ PST AG AAP ADSC \
         ADSA ATXA ATXN STAM TXA1 EXR1 CRRM CRCD CRR ACR FAP GLC GLBA POST MCU OBJ SUB PTC VOD VINV PKCO PO PDCT LNID \
         SFXO MCU2 RMK RF UNIT PYIN BCRC TORG USER PID JOBN UPMJ UPMT",
    ),
    (
        "F0413",
        "Accounts Payable - Matching Document",
        "PYID",
        "PYID DCTM DOCM PYE GLBA DMTJ VDGJ ICU PAAP CRCD VLDT PYIN UPMJ UPMT",
    ),
    (
        "F0414",
        "Accounts Payable - Matching Document Detail",
        "PYID RC5",
        "PYID RC5 DCTM KCO DCT DOC SFX SFXE PAAP ADSA AN8 CO MCU PO UPMJ UPMT",
    ),
    (
        "F0901",
        "Account Master",
        "AID",
        "AID CO MCU OBJ SUB ANS DL01 LDA BPC PEC CRCD UM R001..R043 OBJA SUBA USER PID JOBN UPMJ UPMT",
    ),
    ("F0902", "Account Balances", "AID CTRY FY FQ LT SBL SBLT CRCD", "AID CTRY FY FQ LT SBL SBLT CRCD UPMJ UPMT"),
    (
        "F0911",
        "Account Ledger",
        "DCT DOC KCO DGJ JELN LT EXTL",
        "KCO DCT DOC DGJ JELN EXTL LT POST ICU ICUT DICJ CO ANI AID MCU OBJ SUB SBL SBLT PN CTRY FY FQ CRCD CRR AA U \
         UM GLC RE EXA EXR R1 R2 R3 SFX PKCO PDCT PO LNID AN8 CN VINV IVD RCND ASID WR01 ACR BCRC USER PID JOBN \
         UPMJ UPMT",
    ),
    (
        "F4101",
        "Item Master",
        "ITM",
        "ITM LITM AITM DSC1 DSC2 SRTX ALN SRP1..SRP9 SRP0 PRP1..PRP9 PRP0 UOM1..UOM9 GLPT STKT LNTY USER PID JOBN \
         UPMJ TDAY",
    ),
    (
        "F4301",
        "Purchase Order Header",
        "DOCO DCTO KCOO SFXO",
        "KCOO DOCO DCTO SFXO MCU OKCO OORN OCTO RKCO RORN RCTO AN8 SHAN DRQJ TRDJ PDDJ OPDJ ADDJ CNDJ VR01 VR02 DEL1 \
         DEL2 RMK DESC PTC TXA1 EXR1 HOLD ANBY OTOT CRRM CRCD CRR FAP ORBY TKBY AVCH BCRC USER PID JOBN UPMJ TDAY",
    ),
    (
        "F4311",
        "Purchase Order Detail",
        "DOCO DCTO KCOO SFXO LNID",
        "KCOO DOCO DCTO SFXO LNID MCU CO OKCO OORN OCTO OGNO RKCO RORN RCTO RLLN AN8 SHAN DRQJ TRDJ PDDJ ADDJ CNDJ DGL \
         VR01 VR02 ITM LITM AITM LOCN LOTN DSC1 DSC2 LNTY NXTR LTTR UOM UORG UCHG UOPN UREC PRRC AEXP AOPN AREC PTC TX \
         TXA1 EXR1 ANBY GLC CTRY FY PN ANI AID OMCU OBJ SUB SBL SBLT WR01 CRCD CRR FRRC FEA FAP FREC TORG USER PID \
         JOBN UPMJ TDAY",
    ),
];
