"""The pages of receipt confirmations, in Typst. A layout never changes: what is better is a new one."""

FIRST = """
#let data = json(bytes(sys.inputs.data))
#set document(title: "捐赠收款确认 " + data.number, date: none)
#set page(paper: "a5", flipped: true, margin: (x: 16mm, y: 13mm),
  background: if data.is_demo { rotate(-24deg, text(72pt, fill: rgb("#b4231812"))[演示 DEMO]) })
#set text(font: "Noto Sans CJK SC", size: 9.5pt, fill: rgb("#1c1917"), lang: "zh")
#let muted(body) = text(fill: rgb("#57534e"), body)
#grid(columns: (1fr, auto), align: (left + horizon, right + horizon),
  [#text(18pt, weight: "bold", fill: rgb("#b42318"))[捐赠收款确认] \\ #muted[Confirmation of a gift received]],
  [#muted[编号 No.] #text(weight: "bold", data.number) \\ #muted[开具日期] #data.issued_on])
#v(2mm)
#line(length: 100%, stroke: 1.2pt + rgb("#b42318"))
#v(3mm)
#let modules = data.qr.len()
#let unit = 27mm / modules
#grid(columns: (1fr, 34mm), gutter: 6mm,
  table(columns: (27mm, 1fr), stroke: none, inset: (x: 0pt, y: 4.2pt),
    muted[捐赠人], text(weight: "bold", data.name),
    muted[捐赠金额], [#text(15pt, weight: "bold", data.amount) #h(3mm) #data.capitals],
    muted[捐赠项目], data.campaign,
    muted[收款日期], data.paid_on,
    muted[订单号], data.order_no,
    muted[收款单位], text(weight: "bold", data.organisation)),
  align(center)[
    #figure(kind: "qr", supplement: none, alt: "QR: " + data.verify,
      box(width: 27mm, height: 27mm, for (y, row) in data.qr.enumerate() {
        for (x, bit) in row.clusters().enumerate() {
          if bit == "1" { place(dx: x * unit, dy: y * unit, rect(width: unit * 1.02, height: unit * 1.02, fill: black)) }
        }
      }))
    #v(1mm)
    #text(7.5pt)[扫码核验] \\ #text(7.5pt, data.code)
  ])
#v(1fr)
#line(length: 100%, stroke: 0.4pt + rgb("#d6d3d1"))
#text(7.5pt, fill: rgb("#57534e"))[本凭证仅为收款确认，不是公益事业捐赠统一票据，不作为税前扣除凭证。#if data.is_demo [演示数据，并非真实捐赠。] \\
核验地址 Verify at：#data.verify]
"""

SECOND = """
#let data = json(bytes(sys.inputs.data))
#let red = rgb("#b42318")
#let one = data.lines.len() == 1
#set document(title: "捐赠收款确认 " + data.number, date: none)
#set page(paper: "a5", flipped: true, margin: (x: 16mm, top: 13mm, bottom: 12mm),
  background: if data.is_demo { rotate(-24deg, text(72pt, fill: rgb("#b4231812"))[演示 DEMO]) },
  footer: if not one { align(right, text(7pt, fill: rgb("#57534e"))[#data.number · #context counter(page).display("1 / 1", both: true)]) })
#set text(font: "Noto Sans CJK SC", size: 9.5pt, fill: rgb("#1c1917"), lang: "zh")
#let muted(body) = text(fill: rgb("#57534e"), body)
#let breakable(words) = words.split(" ").map(word => if word.clusters().len() > 20 {
  word.clusters().join("\\u{200b}") } else { word }).join(" ")
#grid(columns: (1fr, auto), align: (left + horizon, right + horizon),
  [#text(18pt, weight: "bold", fill: red)[捐赠收款确认] \\ #muted[Confirmation of #if one [a gift] else [gifts] received]],
  [#muted[编号 No.] #text(weight: "bold", data.number) \\ #muted[开具日期] #data.issued_on])
#v(2mm)
#line(length: 100%, stroke: 1.2pt + red)
#v(3mm)
#let modules = data.qr.len()
#let unit = 27mm / modules
#grid(columns: (1fr, 36mm), gutter: 6mm,
  table(columns: (27mm, 1fr), stroke: none, inset: (x: 0pt, y: if one { 6pt } else { 4.2pt }),
    muted[捐赠人], text(weight: "bold", breakable(data.name)),
    ..if data.period != "" { (muted[所属期间], [#data.period，共 #data.lines.len() 笔]) },
    muted(if one [捐赠金额] else [金额合计]), [#text(15pt, weight: "bold", data.amount) #h(3mm) #data.capitals],
    muted[捐赠项目], breakable(data.campaign),
    muted[收款日期], data.paid_on,
    ..if one { (muted[订单号], data.lines.at(0).order_no) },
    ..if one and data.lines.at(0).given != "" { (muted[说明], [原捐赠 #data.lines.at(0).given，已退回部分款项]) },
    muted[收款单位], text(weight: "bold", data.organisation),
    ..if data.replaces != "" { (muted[替换], [本确认替换已作废的 #data.replaces]) }),
  align(center)[
    #figure(kind: "qr", supplement: none, alt: "QR: " + data.verify,
      box(fill: white, inset: 4 * unit, box(width: 27mm, height: 27mm, for (y, row) in data.qr.enumerate() {
        for (x, bit) in row.clusters().enumerate() {
          if bit == "1" { place(dx: x * unit, dy: y * unit, rect(width: unit * 1.02, height: unit * 1.02, fill: black)) }
        }
      })))
    #v(1mm)
    #text(7.5pt)[扫码核验] \\ #text(7.5pt, data.code)
  ])
#if not one {
  v(2mm)
  set text(8.5pt)
  table(columns: (auto, auto, 1fr, auto, auto), stroke: (x, y) => (bottom: 0.4pt + rgb("#d6d3d1")),
    inset: (x: 3pt, y: 3.4pt), align: (right, left, left, left, right),
    table.header(..([序], [收款日期], [捐赠项目], [订单号], [金额]).map(muted)),
    ..data.lines.enumerate().map(((i, line)) => (
      str(i + 1), line.paid_on, line.campaign, text(7.5pt, line.order_no),
      if line.given == "" { line.amount } else [#line.amount \\ #text(6.5pt, muted[原 #line.given，部分退回])])).flatten(),
    table.cell(colspan: 4, align: right, text(weight: "bold")[合计 #h(2mm) #data.capitals]), text(weight: "bold", data.amount))
}
#v(1fr)
#line(length: 100%, stroke: 0.4pt + rgb("#d6d3d1"))
#text(7.5pt, fill: rgb("#57534e"))[本凭证仅为收款确认，不是公益事业捐赠统一票据，不作为税前扣除凭证。#if data.is_demo [演示数据，并非真实捐赠。] \\
核验地址 Verify at：#data.verify]
"""

NEWEST = "gift-2"
LAYOUTS = {"gift-1": FIRST, NEWEST: SECOND}
