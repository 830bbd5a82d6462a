"""The page of a receipt confirmation, in Typst."""

TEMPLATE = """
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
