//! Records for user space, and the counters of what could not be sent.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::event::{CONTROL_SIZE, Control, DATA_HEADER};
use crate::helpers::Helper;
use crate::layout::{CONTROL_RING, EXIT, EXIT_ASKED, SiteKind};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::printf::{Format, Origin};
use lang::span::Span;
use lang::typed::{Expr, ExprKind, FormatId};
use lang::types::Type;

/// What `bpf_ringbuf_query` tells (include/uapi/linux/bpf.h): bytes not yet read, and the producer's position.
const AVAILABLE_DATA: i64 = 0;
const PRODUCER_POSITION: i64 = 3;

/// A value on its way into a record.
enum Given {
    Number(Value),
    Stored(Addr),
    Later,
}

impl Lowering<'_, '_> {
    /// Sends the values of a format, written straight into the ring buffer.
    pub fn print(&mut self, format: FormatId, args: &[Expr], span: Span) {
        let Format { args: types, origin, .. } = &self.program.formats[format.index()];
        // Where an array of pointers ends is only known when all of them have been followed.
        self.guesses = *origin == Origin::Join;
        // Equal keys are equal bytes.
        let is_padded = matches!(origin, Origin::Entry(_));
        // Numbers first: computing them may branch, and they need no memory. What changes something is computed in its
        // turn too; other texts and tuples go straight into the record.
        let given: Vec<Given> = args
            .iter()
            .zip(types)
            .map(|(arg, ty)| match arg.ty.is_scalar() {
                true => Given::Number(self.scalar(arg)),
                false if arg.has_effects() || matches!(arg.kind, ExprKind::ReadAggregate(..)) => {
                    let to = self.temporary(ty.slot_size());
                    self.store(arg, ty, to);
                    Given::Stored(to)
                }
                false => Given::Later,
            })
            .collect();
        self.at(span);
        let size = DATA_HEADER + types.iter().map(Type::slot_size).sum::<u32>();
        let ring = self.layout.use_data_ring();
        let lost = |this: &mut Self| this.report_site(SiteKind::LostEvent, span);
        self.with_record(ring, size, span, lost, |this, record| {
            let header = this.int(i64::from(format.0));
            this.store_word(header, record);
            let mut to = record.plus(DATA_HEADER);
            for ((arg, ty), given) in args.iter().zip(types).zip(given) {
                match (given, ty) {
                    (Given::Number(number), _) => this.store_word(number, to),
                    (Given::Stored(from), ty) => this.copy(from, to, ty.slot_size()),
                    (Given::Later, Type::Str(size)) if !is_padded => this.store_text_unpadded(arg, *size, to),
                    (Given::Later, ty) => this.store(arg, ty, to),
                }
                to = to.plus(ty.slot_size());
            }
        });
        self.guesses = false;
    }

    /// Sends a control record.
    pub fn control(&mut self, kind: Control, number: u32, arguments: [Value; 2], span: Span) {
        self.at(span);
        let ring = self.layout.use_control_ring();
        let position = self.data_position();
        // Where the control ring is full nobody can be told; the count is read at the end.
        let lost = |this: &mut Self| {
            this.count_site(SiteKind::LostEvent, span);
        };
        self.with_record(ring, CONTROL_SIZE, span, lost, |this, record| {
            let head = this.int(i64::from(number) << 32 | kind as i64);
            this.store_word(head, record);
            this.store_word(position, record.plus(8));
            this.store_word(arguments[0], record.plus(16));
            this.store_word(arguments[1], record.plus(24));
        });
    }

    /// Does `send` unless half of the control ring is full; then it is counted as lost. A flood of what may be lost so
    /// leaves room for what may not.
    pub fn if_half_free(&mut self, span: Span, send: impl FnOnce(&mut Self)) {
        let [room, full, done] = [(); 3].map(|()| self.builder.create_block());
        let ring = self.layout.use_control_ring();
        let (ring, what) = (self.map_pointer(ring), self.int(AVAILABLE_DATA));
        let used = self.call(Helper::RingbufQuery, &[ring, what]);
        let has_room = self.compare(IntCC::UnsignedLessThan, used, i64::from(CONTROL_RING / 2));
        self.builder.ins().brif(has_room, room, &[], full, &[]);
        self.builder.switch_to_block(full);
        self.in_branch(|this| this.report_site(SiteKind::LostEvent, span));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(room);
        self.in_branch(send);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// Leaves the exit code where user space finds it even if the control record gets lost. The first one stays.
    pub fn note_exit(&mut self, code: Value) {
        let mask = self.int(0xff);
        let code = self.builder.ins().band(code, mask);
        let asked = self.int(EXIT_ASKED as i64);
        let word = self.builder.ins().bor(code, asked);
        let bss = self.bss();
        let to = self.address(Addr::new(bss).plus(EXIT));
        let zero = self.int(0);
        self.builder.ins().atomic_cas(flags(), to, zero, word);
    }

    /// Tells user space what the probe returns and where, from whichever of its functions.
    pub fn note_result(&mut self, value: Value, span: Span) {
        let (offset, number) = self.layout.use_result(span);
        let number = self.int(i64::from(number));
        let bss = self.bss();
        self.store_word(value, Addr::new(bss).plus(offset));
        self.store_word(number, Addr::new(bss).plus(offset + 8));
    }

    /// How far the data ring has been filled: the record belongs behind all that was sent before.
    fn data_position(&mut self) -> Value {
        if self.program.formats.is_empty() {
            // Nothing is ever sent there, and the ring need not exist.
            return self.int(0);
        }
        let ring = self.layout.use_data_ring();
        let ring = self.map_pointer(ring);
        let what = self.int(PRODUCER_POSITION);
        self.call(Helper::RingbufQuery, &[ring, what])
    }

    /// Reserves a record, lets `fill` write it and commits it; does `lost` if there is no room.
    fn with_record(
        &mut self,
        ring: u32,
        size: u32,
        span: Span,
        lost: impl FnOnce(&mut Self),
        fill: impl FnOnce(&mut Self, Addr),
    ) {
        let [room, full, done] = [(); 3].map(|()| self.builder.create_block());
        let map = self.map_pointer(ring);
        let (bytes, zero) = (self.int(i64::from(size)), self.int(0));
        let record = self.call(Helper::RingbufReserve, &[map, bytes, zero]);
        let record = self.launder(record);
        let is_room = self.compare(IntCC::NotEqual, record, 0);
        self.builder.ins().brif(is_room, room, &[], full, &[]);
        self.builder.switch_to_block(full);
        self.in_branch(lost);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(room);
        self.in_branch(|this| fill(this, Addr::new(record)));
        self.at(span);
        let zero = self.int(0);
        self.call(Helper::RingbufSubmit, &[record, zero]);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// Adds one to a site's counter; the site's number and the count before.
    fn count_site(&mut self, kind: SiteKind, span: Span) -> (u32, Value) {
        let site = self.layout.use_site(kind, span);
        let counter = self.layout.sites[site as usize].counter;
        let bss = self.bss();
        let one = self.int(1);
        (site, self.atomic_add(Addr::new(bss).plus(counter), one))
    }

    /// Counts a read for which the helper gave an error, and tells of it if that is asked for.
    pub fn note_failed_read(&mut self, helper: Helper, result: Value) {
        if self.guesses {
            return;
        }
        let span = self.here();
        let (bad, done) = (self.builder.create_block(), self.builder.create_block());
        let failed = self.compare(IntCC::SignedLessThan, result, 0);
        self.builder.ins().brif(failed, bad, &[], done, &[]);
        self.builder.switch_to_block(bad);
        self.in_branch(|this| this.report_failure(SiteKind::FailedRead(helper), span, result));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// If reads are told of, they come from this expression from here on: a statement may have several.
    pub fn at_read(&mut self, expr: &Expr) {
        if self.layout.tells_reads {
            // From where the pointer stands that is followed; brackets around it are not part of it.
            let mut first = expr;
            while let ExprKind::Member { base, .. } | ExprKind::Element { base, .. } = &first.kind {
                first = match &base.kind {
                    ExprKind::Deref(pointer) => pointer,
                    _ => base,
                };
            }
            self.at(Span::new(first.span.start, expr.span.end.max(first.span.start)));
        }
    }

    /// Counts that something went wrong with what a helper gave for a reason.
    pub fn report_failure(&mut self, kind: SiteKind, span: Span, result: Value) {
        let site = self.layout.use_site(kind, span);
        if let Some(code) = self.layout.sites[site as usize].code {
            let bss = self.bss();
            self.store_word(result, Addr::new(bss).plus(code));
        }
        self.report_site(kind, span);
    }

    /// Counts that something went wrong, and tells user space the first time.
    pub fn report_site(&mut self, kind: SiteKind, span: Span) {
        let (site, before) = self.count_site(kind, span);
        if kind.is_quiet() && !self.layout.tells_reads {
            return;
        }
        let (first, done) = (self.builder.create_block(), self.builder.create_block());
        let is_first = self.compare(IntCC::Equal, before, 0);
        self.builder.ins().brif(is_first, first, &[], done, &[]);
        self.builder.switch_to_block(first);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.in_branch(|this| this.control(Control::Site, site, [zero, zero], span));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }
}
